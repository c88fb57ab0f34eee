//! The Wasmtime engine: one for the process, configured for many short requests.

use anyhow::Result;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How often a running guest is interrupted to look at its deadline and to let others run.
pub const EPOCH_TICK: Duration = Duration::from_millis(5);
/// How many component instances may live at once.
pub const INSTANCES_MAX: u32 = 256;

/// Makes the engine.
pub fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config.wasm_component_model_async(true);
    // Arithmetic on P-256 is about three times as fast with it; see the benchmarks.
    config.wasm_wide_arithmetic(true);
    config.epoch_interruption(true);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pooling()));
    Ok(Engine::new(&config)?)
}

fn pooling() -> PoolingAllocationConfig {
    let mut pooling = PoolingAllocationConfig::default();
    pooling.total_component_instances(INSTANCES_MAX);
    // A composed component is several core instances: shims, the adapter and the modules.
    pooling.total_core_instances(INSTANCES_MAX * 16);
    pooling.total_memories(INSTANCES_MAX * 4);
    pooling.total_tables(INSTANCES_MAX * 16);
    pooling.total_stacks(INSTANCES_MAX * 4);
    pooling.max_memories_per_component(16);
    pooling.max_tables_per_component(64);
    pooling.max_core_instances_per_component(64);
    pooling.max_component_instance_size(4 * 1024 * 1024);
    pooling.max_core_instance_size(1024 * 1024);
    pooling.table_elements(100_000);
    pooling.max_memory_size(crate::manifest::MEMORY_BYTES_MAX);
    // Reused slots keep a little memory resident; more would cost RSS for little speed.
    pooling.linear_memory_keep_resident(64 * 1024);
    pooling.table_keep_resident(16 * 1024);
    pooling
}

/// Advances the engine's epoch until dropped.
pub struct EpochTicker {
    stop: Arc<AtomicBool>,
}

impl EpochTicker {
    /// Starts the thread that ticks. A thread of its own, so that it ticks even when
    /// every worker is busy in guest code: that is what it is for.
    pub fn start(engine: &Engine) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped: Weak<AtomicBool> = Arc::downgrade(&stop);
        let engine = engine.weak();
        std::thread::Builder::new().name("epoch".into()).spawn(move || {
            while let (Some(stopped), Some(engine)) = (stopped.upgrade(), engine.upgrade()) {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                engine.increment_epoch();
                drop((stopped, engine));
                std::thread::sleep(EPOCH_TICK);
            }
        })?;
        Ok(Self { stop })
    }
}

impl Drop for EpochTicker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
