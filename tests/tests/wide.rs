//! What is compiled with wide arithmetic reads no upper half before it is there.
//!
//! An instruction of wide arithmetic has two results. rustc 1.95 (LLVM 22) may put it into an operand of
//! another instruction, behind an operand that reads its upper half: that one reads what its local held
//! before. A component in which this happens computes wrong numbers without a word, so none may have it.

use std::path::Path;
use vwp_tests::project;
use wasmparser::{FuncValidatorAllocations, Operator, ValidPayload, Validator, WasmFeatures};

/// What is on the operand stack.
#[derive(Clone, Copy, PartialEq)]
enum Slot {
    /// What a local held when it was read.
    Local(u32),
    /// A result of wide arithmetic.
    Wide,
    Other,
}

/// Where a result of wide arithmetic is put into a local that an operand has read already; and how many
/// instructions of wide arithmetic there are.
fn stale_reads(path: &Path) -> (Vec<u64>, usize) {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let (mut stale, mut wide) = (Vec::new(), 0);
    let mut allocations = FuncValidatorAllocations::default();
    for payload in wasmparser::Parser::new(0).parse_all(&bytes) {
        let payload = payload.expect("it is a component");
        let ValidPayload::Func(function, body) = validator.payload(&payload).expect("it is valid") else {
            continue;
        };
        let mut function = function.into_validator(allocations);
        function.read_locals(&mut body.get_binary_reader()).expect("locals");
        let mut reader = body.get_operators_reader().expect("instructions");
        let mut stack: Vec<Slot> = Vec::new();
        while !reader.eof() {
            let (operator, at) = reader.read_with_offset().expect("an instruction");
            let (pops, pushes) = operator.operator_arity(&function).unwrap_or_default();
            function.op(at, &operator).expect("a valid instruction");
            let popped = stack.split_off(stack.len().saturating_sub(pops as usize));
            if let Operator::LocalSet { local_index } | Operator::LocalTee { local_index } = operator
                && popped == [Slot::Wide]
                && stack.contains(&Slot::Local(local_index))
            {
                stale.push(at);
            }
            let result = match operator {
                Operator::LocalGet { local_index } => Slot::Local(local_index),
                Operator::I64Add128 | Operator::I64Sub128 | Operator::I64MulWideS | Operator::I64MulWideU => {
                    wide += 1;
                    Slot::Wide
                }
                _ => Slot::Other,
            };
            stack.extend((0..pushes).map(|_| result));
            // Where a block ends or nothing can come, the validator knows how much is there.
            stack.resize(function.operand_stack_height() as usize, Slot::Other);
        }
        allocations = function.into_allocations();
    }
    (stale, wide)
}

#[test]
fn no_upper_half_is_read_before_it_is_there() {
    let folder = project().join("target/wide/wasm32-wasip2/release");
    for name in ["auth", "verifier"] {
        let (stale, wide) = stale_reads(&folder.join(format!("vwp_{name}_component.wasm")));
        assert!(stale.is_empty(), "{name} at {stale:x?}, of {wide} instructions of wide arithmetic");
        assert!(wide > 0, "{name} is compiled without wide arithmetic");
    }
}
