//! ISO 20022 BankToCustomerStatement, camt.053.001.02 to .13.
//!
//! What is read of it has the same names in all these versions, apart from what stands in one
//! element more since version 8 (a status's code, a party's name); both ways are read. Document
//! type declarations are refused, so that there are no entities to expand and nothing to fetch.

use super::{File, Wanted};
use crate::Error;
use crate::money::Money;
use crate::statement::{Balance, Line, Statement};
use crate::text::{self, REFERENCE_LENGTH_MAX};
use chrono::NaiveDate;
use encoding_rs::{Encoding, UTF_8};
use roxmltree::{Document, Node, ParsingOptions};

/// The namespace, without the version.
const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.";
/// The most elements, attributes and texts in a file.
const NODES_MAX: u32 = 2_000_000;
/// Within how many bytes an XML declaration says how the file is encoded.
const DECLARATION_LENGTH_MAX: usize = 256;
/// The references of a transaction (TransactionReferences).
const REFERENCES: &[&str] =
    &["EndToEndId", "InstrId", "TxId", "PmtInfId", "MsgId", "UETR", "MndtId", "ChqNb"];

/// Reads a file.
pub fn read(bytes: &[u8], wanted: &Wanted<'_>) -> Result<File, Error> {
    let text = text::decode(encoding(bytes)?, bytes)?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&text, options)
        .map_err(|error| Error::Unreadable(format!("the file is not XML as it is allowed here: {error}")))?;
    let root = document.root_element();
    let namespace = root.tag_name().namespace().unwrap_or_default();
    let is_ours = namespace.is_empty() || namespace.starts_with(NAMESPACE);
    let message = child(root, "BkToCstmrStmt").filter(|_| is_ours && root.has_tag_name_of("Document"));
    let message = message.ok_or_else(|| Error::Unreadable("the file is not a camt.053".to_owned()))?;
    let mut file = File { statements: Vec::new(), left_out: 0 };
    for node in children(message, "Stmt") {
        match Reader::new(node, wanted)? {
            Some(reader) => file.statements.push(reader.statement()?),
            None => file.left_out += 1,
        }
    }
    file.checked()
}

/// How the file is encoded: as its byte-order mark or its declaration says (XML 1.0, section
/// 4.3.3), or in UTF-8.
fn encoding(bytes: &[u8]) -> Result<&'static Encoding, Error> {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return Ok(encoding);
    }
    let head = bytes.get(..DECLARATION_LENGTH_MAX.min(bytes.len())).unwrap_or_default();
    let head = String::from_utf8_lossy(head);
    let declaration = head.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>"));
    let named = declaration.and_then(|(declaration, _)| declaration.split_once("encoding"));
    let Some((_, value)) = named else { return Ok(UTF_8) };
    let label: String = value
        .chars()
        .skip_while(|char| " =\"'".contains(*char))
        .take_while(|char| !"\"'".contains(*char))
        .collect();
    let known = Encoding::for_label(label.as_bytes());
    known.ok_or_else(|| Error::Unreadable("the file names an encoding that nobody knows".to_owned()))
}

/// A statement that is being read.
struct Reader<'a, 'input> {
    node: Node<'a, 'input>,
    wanted: &'a Wanted<'a>,
    id: String,
    account: String,
    currency: String,
}

impl<'a, 'input> Reader<'a, 'input> {
    /// A statement, if it is of the account that is wanted.
    fn new(node: Node<'a, 'input>, wanted: &'a Wanted<'a>) -> Result<Option<Self>, Error> {
        let account = text_at(node, &["Acct", "Id", "IBAN"]);
        let account = if account.is_empty() { text_at(node, &["Acct", "Id", "Othr", "Id"]) } else { account };
        let currency = text_at(node, &["Acct", "Ccy"]);
        // The account's currency may be left out, but not that of its balances.
        let first = child(node, "Bal").and_then(|balance| child(balance, "Amt"));
        let of_balance = first.and_then(|amount| amount.attribute("Ccy")).unwrap_or_default();
        let currency = if currency.is_empty() { of_balance } else { currency };
        if !wanted.takes(account, currency)? {
            return Ok(None);
        }
        let kept = |text| text::tidied(text, REFERENCE_LENGTH_MAX);
        let (id, account) = (kept(text_at(node, &["Id"])), kept(account));
        Ok(Some(Self { node, wanted, id, account, currency: currency.to_owned() }))
    }

    fn statement(self) -> Result<Statement, Error> {
        let sequence = [["ElctrncSeqNb"], ["LglSeqNb"]].map(|path| text_at(self.node, &path));
        let sequence = sequence.into_iter().find(|number| !number.is_empty()).unwrap_or_default();
        // Pages of one statement begin and end with interim balances (ITBD).
        let opening = self.balance(&["OPBD", "PRCD", "ITBD"], false)?;
        let closing = self.balance(&["CLBD", "ITBD"], true)?;
        let mut statement = Statement {
            id: self.id.clone(),
            sequence: text::tidied(sequence, REFERENCE_LENGTH_MAX),
            account: self.account.clone(),
            currency: self.currency.clone(),
            opening: Some(opening),
            closing: Some(closing),
            lines: Vec::new(),
            pending: 0,
        };
        for (index, entry) in children(self.node, "Ntry").enumerate() {
            let status = child(entry, "Sts").map(|status| child(status, "Cd").unwrap_or(status));
            match status.map_or("BOOK", own_text) {
                "BOOK" => self.entry(entry, index, closing.date, &mut statement.lines)?,
                // PDNG, FUTR and INFO (ExternalEntryStatus1Code) are in no balance.
                _ => statement.pending += 1,
            }
        }
        Ok(statement)
    }

    /// The balance of the first of these types that there is; of several of one type the last one
    /// closes, and the first one opens.
    fn balance(&self, types: &[&str], is_closing: bool) -> Result<Balance, Error> {
        let has_type =
            |node: &Node<'_, '_>, wanted: &str| text_at(*node, &["Tp", "CdOrPrtry", "Cd"]) == wanted;
        let found = types.iter().find_map(|wanted| {
            let mut balances = children(self.node, "Bal").filter(|node| has_type(node, wanted));
            if is_closing { balances.last() } else { balances.next() }
        });
        let node = found.ok_or_else(|| self.unreadable("it has no opening or no closing balance"))?;
        let date = date_of(node, "Dt").ok_or_else(|| self.unreadable("a balance has no date"))?;
        Ok(Balance { date, amount: self.amount(node, None)? })
    }

    /// An amount with the sign that its CdtDbtInd says, or else `otherwise`. A reversal's CdtDbtInd
    /// is that of the entry itself, and not that of the entry which it takes back.
    fn amount(&self, node: Node<'_, '_>, otherwise: Option<bool>) -> Result<Money, Error> {
        let amount = child(node, "Amt").ok_or_else(|| self.unreadable("an amount is missing"))?;
        if amount.attribute("Ccy").is_some_and(|currency| currency != self.currency) {
            let found = amount.attribute("Ccy").unwrap_or_default().chars().take(3).collect();
            return Err(Error::WrongCurrency { found, expected: self.currency.clone() });
        }
        let place = format!("statement {}", self.id);
        let size = self.wanted.amount(own_text(amount), '.', &place)?;
        let is_credit = match text_at(node, &["CdtDbtInd"]) {
            "CRDT" => Some(true),
            "DBIT" => Some(false),
            _ => otherwise,
        };
        let is_credit = is_credit.ok_or_else(|| self.unreadable("an amount is neither CRDT nor DBIT"))?;
        Ok(if is_credit { size } else { size.negated() })
    }

    /// An entry: one line, or one for each of its transactions if their amounts are given and make
    /// the entry's.
    fn entry(
        &self,
        entry: Node<'_, '_>,
        index: usize,
        otherwise: NaiveDate,
        lines: &mut Vec<Line>,
    ) -> Result<(), Error> {
        let amount = self.amount(entry, None)?;
        let value = date_of(entry, "ValDt");
        let booked = date_of(entry, "BookgDt").or(value).unwrap_or(otherwise);
        let mut line = Line::new(booked, amount);
        line.value = value.unwrap_or(booked);
        line.reversal = matches!(text_at(entry, &["RvslInd"]), "true" | "1");
        line.bank_reference = text::tidied(text_at(entry, &["AcctSvcrRef"]), REFERENCE_LENGTH_MAX);
        line.refer(text_at(entry, &["NtryRef"]));
        line.ordered = ordered(entry);
        let details: Vec<Node<'_, '_>> = children(entry, "NtryDtls").collect();
        let transactions: Vec<Node<'_, '_>> =
            details.iter().flat_map(|details| children(*details, "TxDtls")).collect();
        for batch in details.iter().filter_map(|details| child(*details, "Btch")) {
            line.refer(text_at(batch, &["PmtInfId"]));
            line.refer(text_at(batch, &["MsgId"]));
        }
        line.tell(text_at(entry, &["AddtlNtryInf"]));
        if let Some(amounts) = self.amounts(&transactions, amount) {
            line.batch = match line.bank_reference.as_str() {
                "" => format!("{}#{index}", self.id),
                reference => reference.to_owned(),
            };
            for (transaction, amount) in transactions.iter().zip(amounts) {
                let mut part = Line { amount, ordered: ordered(*transaction), ..line.clone() };
                describe(&mut part, *transaction);
                lines.push(part);
            }
            return Ok(());
        }
        for transaction in transactions {
            describe(&mut line, transaction);
        }
        lines.push(line);
        Ok(())
    }

    /// The amounts of an entry's transactions, if there are several, all with an amount in the
    /// account's currency, and they make the entry's.
    fn amounts(&self, transactions: &[Node<'_, '_>], whole: Money) -> Option<Vec<Money>> {
        if transactions.len() < 2 {
            return None;
        }
        let amounts = transactions.iter().map(|transaction| {
            let stated = child(*transaction, "Amt").map(|_| *transaction);
            // Before version 4 a transaction has its amount among its details only.
            let detailed = descend(*transaction, &["AmtDtls", "TxAmt"]);
            let node = stated.or(detailed)?;
            let credit = match text_at(*transaction, &["CdtDbtInd"]) {
                "CRDT" => true,
                "DBIT" => false,
                _ => whole >= Money::ZERO,
            };
            self.amount(node, Some(credit)).ok()
        });
        let amounts = amounts.collect::<Option<Vec<Money>>>()?;
        (amounts.iter().copied().sum::<Money>() == whole).then_some(amounts)
    }

    fn unreadable(&self, what: &str) -> Error {
        Error::Unreadable(format!("statement {}: {what}", self.id))
    }
}

/// Adds what a transaction says of itself.
fn describe(line: &mut Line, transaction: Node<'_, '_>) {
    if let Some(references) = child(transaction, "Refs") {
        for name in REFERENCES {
            line.refer(text_at(references, &[name]));
        }
        let own = text_at(references, &["AcctSvcrRef"]);
        if !own.is_empty() && own != line.batch {
            line.bank_reference = text::tidied(own, REFERENCE_LENGTH_MAX);
        }
    }
    let remittance = children(transaction, "RmtInf");
    for information in remittance {
        for structured in children(information, "Strd") {
            line.refer(text_at(structured, &["CdtrRefInf", "Ref"]));
            line.refer(text_at(structured, &["RfrdDocInf", "Nb"]));
        }
        children(information, "Ustrd").for_each(|part| line.tell(own_text(part)));
    }
    line.tell(text_at(transaction, &["AddtlTxInf"]));
    // Who reaches the account is on the other side of a credit, and whom it pays of a debit.
    let role = if line.amount > Money::ZERO { "Dbtr" } else { "Cdtr" };
    let direct = text_at(transaction, &["RltdPties", role, "Nm"]);
    let name =
        if direct.is_empty() { text_at(transaction, &["RltdPties", role, "Pty", "Nm"]) } else { direct };
    if !name.is_empty() {
        line.counterparty = text::tidied(name, REFERENCE_LENGTH_MAX);
    }
}

/// What was ordered, in a currency of its own.
fn ordered(node: Node<'_, '_>) -> String {
    let amount = descend(node, &["AmtDtls", "InstdAmt", "Amt"]);
    amount.map_or_else(String::new, |amount| {
        let ordered = format!("{} {}", amount.attribute("Ccy").unwrap_or_default(), own_text(amount));
        text::tidied(&ordered, REFERENCE_LENGTH_MAX)
    })
}

/// A day, as Dt or as the beginning of DtTm. What follows the day is a time, or a time zone,
/// which does not move the bank's own day.
fn date_of(node: Node<'_, '_>, name: &str) -> Option<NaiveDate> {
    let node = child(node, name)?;
    let given = child(node, "Dt").or_else(|| child(node, "DtTm"))?;
    own_text(given).get(..10)?.parse().ok()
}

fn children<'a, 'input>(node: Node<'a, 'input>, name: &str) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |child| child.has_tag_name_of(name))
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    children(node, name).next()
}

fn descend<'a, 'input>(node: Node<'a, 'input>, path: &[&str]) -> Option<Node<'a, 'input>> {
    path.iter().try_fold(node, |node, name| child(node, name))
}

fn text_at<'a>(node: Node<'a, '_>, path: &[&str]) -> &'a str {
    descend(node, path).map(own_text).unwrap_or_default()
}

fn own_text<'a>(node: Node<'a, '_>) -> &'a str {
    node.text().unwrap_or_default().trim()
}

/// Names are compared without the namespace, which has another version in each version.
trait LocalName {
    fn has_tag_name_of(&self, name: &str) -> bool;
}

impl LocalName for Node<'_, '_> {
    fn has_tag_name_of(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}
