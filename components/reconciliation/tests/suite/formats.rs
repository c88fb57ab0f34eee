//! Each format, with what banks put into it, and with what they do not.

use chrono::NaiveDate;
use vwp_reconciliation::Error;
use vwp_reconciliation::formats::table::Mapping;
use vwp_reconciliation::formats::{File, Wanted, camt053, mt940, table};
use vwp_reconciliation::money::Money;
use vwp_reconciliation::statement::Statement;
use vwp_reconciliation::text::Charset;

const CAMT: &[u8] = include_bytes!("../fixtures/statement.camt053.xml");
const CAMT_OLD: &[u8] = include_bytes!("../fixtures/statement-latin1.camt053.xml");
const MT940: &[u8] = include_bytes!("../fixtures/statement-windows1252.sta");
const CSV: &[u8] = include_bytes!("../fixtures/statement-windows1252.csv");

const EUR: Wanted<'_> = Wanted { account: None, currency: "EUR", scale: 2 };

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn mapping() -> Mapping {
    serde_json::from_value(serde_json::json!({
        "charset": "windows-1252", "delimiter": ";", "header_rows": 3, "decimal_separator": ",",
        "thousands_separator": ".", "date_format": "%d.%m.%Y", "date": "Buchungstag",
        "value_date": "Wertstellung", "amount": {"column": "Umsatz"}, "references": ["Referenz"],
        "description": ["Verwendungszweck"], "counterparty": 3, "balance": "Saldo",
    }))
    .unwrap()
}

fn amounts(statement: &Statement) -> Vec<i128> {
    statement.lines.iter().map(|line| line.amount.0).collect()
}

/// What is wrong with an XML file that differs from the fixture.
fn camt_refusal(change: impl Fn(String) -> String) -> Error {
    let text = change(String::from_utf8(CAMT.to_vec()).unwrap());
    camt053::read(text.as_bytes(), &EUR).unwrap_err()
}

fn assert_balances(statement: &Statement) {
    assert_eq!(statement.opening.map(|balance| balance.amount), Some(Money(100_000)));
    assert_eq!(statement.closing.map(|balance| balance.amount), Some(Money(128_941)));
}

#[test]
fn a_camt_053_is_read_with_batches_reversals_and_what_is_pending() {
    let file = camt053::read(CAMT, &EUR).unwrap();
    let [statement] = file.statements.as_slice() else { panic!("{file:?}") };
    assert_balances(statement);
    assert_eq!(amounts(statement), [25_000, 999, 2001, 3000, -999, -1060]);
    assert_eq!(statement.pending, 1);
    assert_eq!((statement.id.as_str(), statement.sequence.as_str()), ("2026-11-03-EUR", "213"));
    let [topup, first, _, third, reversal, hosting] = statement.lines.as_slice() else { panic!() };
    assert_eq!((topup.booked, topup.value), (day("2026-11-03"), day("2026-11-04")));
    assert_eq!(topup.counterparty, "Jörg Müßig");
    assert_eq!(topup.text, "Guthaben für Ada, Größe XL");
    assert_eq!(topup.references, ["TOPUP-ADA-0001"]);
    assert_eq!((first.batch.as_str(), third.batch.as_str()), ("2026110300002", "2026110300002"));
    assert!(
        third.references.contains(&"SUB-1003".to_owned()) && third.references.contains(&"M-1003".to_owned())
    );
    assert_eq!((reversal.reversal, topup.reversal), (true, false));
    assert_eq!(hosting.ordered, "USD 12.00");
    assert!(hosting.references.contains(&"RF18539007547034".to_owned()));
}

#[test]
fn an_old_version_in_another_encoding_says_the_same() {
    let (old, new) = (camt053::read(CAMT_OLD, &EUR).unwrap(), camt053::read(CAMT, &EUR).unwrap());
    assert_eq!(old, new);
}

#[test]
fn every_version_from_2_to_13_is_read() {
    for version in 2..=13 {
        let text = String::from_utf8(CAMT.to_vec()).unwrap();
        let text = text.replace("camt.053.001.08", &format!("camt.053.001.{version:02}"));
        assert!(camt053::read(text.as_bytes(), &EUR).is_ok(), "version {version}");
    }
}

#[test]
fn an_mt940_is_read_with_umlauts_reversals_and_a_new_year() {
    let file = mt940::read(MT940, Charset::Windows1252, &EUR).unwrap();
    let [november, december] = file.statements.as_slice() else { panic!("{file:?}") };
    assert_balances(november);
    assert_eq!(amounts(november), [25_000, 6000, -999, -1060]);
    assert_eq!((november.id.as_str(), november.sequence.as_str()), ("00213", "001"));
    let [topup, batch, reversal, hosting] = november.lines.as_slice() else { panic!() };
    assert_eq!((topup.booked, topup.value), (day("2026-11-03"), day("2026-11-04")));
    assert_eq!((topup.counterparty.as_str(), topup.bank_reference.as_str()), ("Jörg Müßig", "2026110300001"));
    assert_eq!(topup.text, "SEPA GUTSCHRIFT Guthaben für Ada, Größe XL");
    assert!(topup.references.contains(&"TOPUP-ADA-0001".to_owned()));
    assert!(batch.references.is_empty(), "NONREF says that there is none: {:?}", batch.references);
    assert!(reversal.reversal && reversal.references.contains(&"SUB-1001".to_owned()));
    assert_eq!(hosting.text, "/OCMT/USD12,00/ AUSLANDSZAHLUNG RF18539007547034");
    // The reversal of a debit is a credit; and 2 January belongs to the next year.
    assert_eq!(amounts(december), [-41, 41]);
    assert_eq!(
        december.lines.iter().map(|line| line.booked).collect::<Vec<_>>(),
        [day("2026-12-31"), day("2027-01-02")]
    );
}

#[test]
fn a_table_is_read_as_it_is_mapped_oldest_line_first() {
    let file = table::read(CSV, &mapping(), &EUR).unwrap();
    let [statement] = file.statements.as_slice() else { panic!("{file:?}") };
    assert_balances(statement);
    assert_eq!(amounts(statement), [25_000, 6000, -999, -1060]);
    let first = &statement.lines[0];
    assert_eq!(
        (first.counterparty.as_str(), first.text.as_str()),
        ("Jörg Müßig", "Guthaben für Ada, \"Größe XL\"")
    );
    assert_eq!((first.booked, first.value), (day("2026-11-03"), day("2026-11-04")));
    assert_eq!(first.references, ["TOPUP-ADA-0001"]);
}

/// A table with other columns.
fn read_table(mapping: &serde_json::Value, text: &str) -> Result<File, Error> {
    let mapping: Mapping = serde_json::from_value(mapping.clone()).unwrap();
    mapping.check()?;
    table::read(text.as_bytes(), &mapping, &EUR)
}

#[test]
fn amounts_in_two_columns_or_with_a_mark_have_the_right_sign() {
    let two = serde_json::json!({"date": "day", "amount": {"debit": "out", "credit": "in"}});
    let file = read_table(&two, "day,out,in\n2026-11-01,5.00,\n2026-11-02,,7\n2026-11-03,-1,0\n").unwrap();
    assert_eq!(amounts(&file.statements[0]), [-500, 700, -100]);
    let marked = serde_json::json!({"date": 1, "header_rows": 0,
        "amount": {"column": 2, "mark": {"column": 3, "debit": "S", "credit": "H"}}});
    let file = read_table(&marked, "2026-11-01,5.00,S\n2026-11-02,7,H\n").unwrap();
    assert_eq!(amounts(&file.statements[0]), [-500, 700]);
    let signed = serde_json::json!({"date": 1, "header_rows": 0, "amount": {"column": 2}});
    let file = read_table(&signed, "2026-11-01,(5.00)\n2026-11-02,7-\n2026-11-02,\u{2212}1\n2026-11-02,+2\n")
        .unwrap();
    assert_eq!(amounts(&file.statements[0]), [-500, -700, -100, 200]);
}

#[test]
fn a_table_that_is_not_as_it_is_mapped_is_refused_with_its_row() {
    let plain = serde_json::json!({"date": "day", "amount": {"column": "amount"}, "currency": "currency"});
    let cases = [
        ("day,amount\n2026-11-01,1\n", "row 2"),
        ("day,amount,currency\n01.11.2026,1,EUR\n", "row 2"),
        ("day,amount,currency\n2026-11-01,1,EUR\n2026-11-01,1.001,EUR\n", "row 3"),
        ("day,amount,currency\n2026-11-01,1,EUR\n2026-11-01,1,USD\n", "USD"),
        ("day,amount,currency\n2026-11-01,,EUR\n", "row 2"),
        ("day,amount,currency\n", "no lines"),
        ("day,amount,currency\n2026-11-01,1000000000000000000000000000000,EUR\n", "row 2"),
    ];
    for (text, said) in cases {
        let refusal = read_table(&plain, text).unwrap_err().to_string();
        assert!(refusal.contains(said), "{text:?}: {refusal}");
    }
    let both = serde_json::json!({"date": "day", "amount": {"debit": "out", "credit": "in"}});
    assert!(read_table(&both, "day,out,in\n2026-11-01,5,5\n").is_err());
    let balances = serde_json::json!({"date": "day", "amount": {"column": "amount"}, "balance": "balance"});
    let text = "day,amount,balance\n2026-11-01,5,5\n2026-11-02,5,10\n2026-11-03,5,16\n";
    assert!(read_table(&balances, text).unwrap_err().to_string().contains("continue"));
}

#[test]
fn a_mapping_that_cannot_work_is_refused() {
    let cases = [
        serde_json::json!({"date": 0, "amount": {"column": 1}}),
        serde_json::json!({"date": "day", "header_rows": 0, "amount": {"column": 1}}),
        serde_json::json!({"date": 1, "amount": {"column": 1}, "delimiter": "\""}),
        serde_json::json!({"date": 1, "amount": {"column": 1}, "decimal_separator": "x"}),
        serde_json::json!({"date": 1, "amount": {"column": 1}, "thousands_separator": "."}),
        serde_json::json!({"date": 1, "amount": {"column": 1}, "date_format": "today"}),
    ];
    for case in cases {
        let mapping: Mapping = serde_json::from_value(case.clone()).unwrap();
        assert!(mapping.check().is_err(), "{case}");
    }
    let unknown = serde_json::json!({"date": 1, "amount": {"column": 1}, "colour": "red"});
    assert!(serde_json::from_value::<Mapping>(unknown).is_err());
    // A format that no date has is refused where it is used, and does not panic.
    let odd = serde_json::json!({"date": 1, "header_rows": 0, "amount": {"column": 2}, "date_format": "%Q%"});
    assert!(read_table(&odd, "2026-11-01,1\n").is_err());
}

#[test]
fn a_statement_that_contradicts_itself_is_refused() {
    let refusal = camt_refusal(|text| text.replace(">1289.41<", ">1289.40<"));
    let expected = Error::Unbalanced {
        statement: "2026-11-03-EUR".to_owned(),
        opening: Money(100_000),
        entries: Money(28_941),
        closing: Money(128_940),
    };
    assert_eq!(refusal, expected);
    let text = String::from_utf8_lossy(MT940).replace("EUR1289,41", "EUR1289,40");
    assert!(matches!(mt940::read(text.as_bytes(), Charset::Utf8, &EUR), Err(Error::Unbalanced { .. })));
}

#[test]
fn transactions_that_do_not_make_their_entry_leave_it_whole() {
    let text = String::from_utf8(CAMT.to_vec()).unwrap().replace(">20.01<", ">20.02<");
    let file = camt053::read(text.as_bytes(), &EUR).unwrap();
    let whole = &file.statements[0].lines[1];
    assert_eq!((whole.amount, whole.batch.as_str()), (Money(6000), ""));
    assert!(whole.references.contains(&"SUB-1002".to_owned()));
}

#[test]
fn entities_and_other_documents_are_refused() {
    let bomb = |text: String| {
        text.replace(
            "<Document ",
            "<!DOCTYPE Document [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>\n<Document ",
        )
        .replace("Arena Betriebs GmbH", "&b;&b;&b;&b;&b;&b;&b;&b;")
    };
    let file = |text: String| {
        text.replace(
            "<Document ",
            "<!DOCTYPE Document [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>\n<Document ",
        )
        .replace("Arena Betriebs GmbH", "&x;")
    };
    for refusal in [
        camt_refusal(bomb),
        camt_refusal(file),
        camt_refusal(|text| text.replace("Arena Betriebs GmbH", "&undefined;")),
        camt_refusal(|text| text.replace("camt.053.001.08", "pain.001.001.09")),
        camt_refusal(|text| text.replace("BkToCstmrStmt", "BkToCstmrDbtCdtNtfctn")),
        camt_refusal(|text| text.replace("UTF-8", "KLINGON-1")),
        camt_refusal(|_| String::new()),
        camt_refusal(|_| "<Document/>".to_owned()),
    ] {
        assert!(matches!(refusal, Error::Unreadable(_)), "{refusal:?}");
    }
}

#[test]
fn deeply_nested_elements_are_no_crash() {
    let depth = 100_000;
    let deep = format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    assert!(matches!(camt_refusal(|_| deep.clone()), Error::Unreadable(_)));
    // Where the schema allows foreign elements, they are passed over.
    let text = String::from_utf8(CAMT.to_vec()).unwrap();
    let text = text.replace("</Stmt>", &format!("<SplmtryData>{deep}</SplmtryData></Stmt>"));
    let _ = camt053::read(text.as_bytes(), &EUR);
}

#[test]
fn amounts_that_cannot_be_are_refused() {
    let huge = format!(">1{}.00<", "0".repeat(30));
    for amount in [huge.as_str(), ">-250.00<", ">250,00<", ">2.5e2<", ">250.001<", "><", ">NaN<"] {
        let refusal = camt_refusal(|text| text.replacen(">250.00<", amount, 1));
        assert!(matches!(refusal, Error::Unreadable(_)), "{amount}: {refusal:?}");
    }
    for amount in ["CR250.00", "CR2500000000000000,00", "CR250", "CR2,5,0", "CR,"] {
        let text = String::from_utf8_lossy(MT940).replacen("CR250,00", amount, 1);
        assert!(mt940::read(text.as_bytes(), Charset::Utf8, &EUR).is_err(), "{amount}");
    }
}

#[test]
fn mixed_currencies_are_refused_and_other_accounts_left_out() {
    let mixed = camt_refusal(|text| text.replacen("<Amt Ccy=\"EUR\">60.00", "<Amt Ccy=\"USD\">60.00", 1));
    assert_eq!(mixed, Error::WrongCurrency { found: "USD".into(), expected: "EUR".into() });
    let dollars = Wanted { currency: "USD", ..EUR };
    assert!(matches!(camt053::read(CAMT, &dollars), Err(Error::WrongCurrency { .. })));
    let text = String::from_utf8_lossy(MT940).replacen(":62F:C261103EUR", ":62F:C261103USD", 1);
    assert!(matches!(mt940::read(text.as_bytes(), Charset::Utf8, &EUR), Err(Error::WrongCurrency { .. })));
    let own = Wanted { account: Some("de02 1203 0000 0000 2020 51"), ..EUR };
    assert_eq!(camt053::read(CAMT, &own).unwrap().statements.len(), 1);
    let other = Wanted { account: Some("DE89370400440532013000"), ..EUR };
    let file = camt053::read(CAMT, &other).unwrap();
    assert_eq!((file.statements.len(), file.left_out), (0, 1));
}

#[test]
fn an_mt940_with_days_that_are_in_no_calendar_is_refused() {
    for (from, to) in
        [(":61:261104", ":61:261344"), ("2611041103CR", "2611040231CR"), ("2611041103CR", "2611041100CR")]
    {
        let text = String::from_utf8_lossy(MT940).replacen(from, to, 1);
        let refusal = mt940::read(text.as_bytes(), Charset::Utf8, &EUR);
        assert!(matches!(refusal, Err(Error::Unreadable(_))), "{to}: {refusal:?}");
    }
}

#[test]
fn what_is_cut_short_or_in_the_wrong_encoding_is_refused() {
    for length in 0..CAMT.len() - 1 {
        assert!(length % 7 != 0 || camt053::read(&CAMT[..length], &EUR).is_err(), "{length}");
    }
    // An MT940 that ends after its first message is one; one that ends within a message is not.
    let text = String::from_utf8_lossy(MT940).into_owned();
    let second = text.find(":62F:").unwrap();
    for length in (0..second).step_by(3).filter(|length| text.is_char_boundary(*length)) {
        assert!(mt940::read(&text.as_bytes()[..length], Charset::Utf8, &EUR).is_err(), "{length}");
    }
    assert!(mt940::read(MT940, Charset::Utf8, &EUR).is_err());
    assert!(table::read(CSV, &Mapping { charset: Charset::Utf8, ..mapping() }, &EUR).is_err());
    assert!(camt053::read(&CAMT_OLD[60..], &EUR).is_err());
    let lies = String::from_utf8_lossy(CAMT_OLD).replace("ISO-8859-1", "UTF-16");
    assert!(camt053::read(lies.as_bytes(), &EUR).is_err());
}

#[test]
fn nothing_at_all_is_no_statement() {
    for bytes in [&b""[..], b"\n", b"\0\0\0", b":20:", b"\xff\xfe\xff"] {
        assert!(camt053::read(bytes, &EUR).is_err());
        assert!(mt940::read(bytes, Charset::Windows1252, &EUR).is_err());
        assert!(table::read(bytes, &mapping(), &EUR).is_err());
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400), at in 0..1500_usize) {
        let _ = camt053::read(&bytes, &EUR);
        let _ = mt940::read(&bytes, Charset::Windows1252, &EUR);
        let _ = table::read(&bytes, &mapping(), &EUR);
        // And neither do statements with some of their bytes changed.
        for fixture in [CAMT, MT940, CSV] {
            let mut changed = fixture.to_vec();
            for (offset, byte) in bytes.iter().take(8).enumerate() {
                let place = (at * 7 + offset) % changed.len();
                changed[place] = *byte;
            }
            let _ = camt053::read(&changed, &EUR);
            let _ = mt940::read(&changed, Charset::Windows1252, &EUR);
            let _ = table::read(&changed, &mapping(), &EUR);
        }
    }
}
