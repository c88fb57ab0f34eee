//! The table, and the machine that it was measured on.

use crate::measure::Figures;
use anyhow::Result;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    name: String,
    ours: String,
    yardstick: String,
    ratio: Option<f64>,
    target: String,
    met: Option<bool>,
}

impl Row {
    /// Ours beside a yardstick, both in these units per second.
    pub(crate) fn rate(
        name: impl Into<String>,
        unit: &str,
        ours: &Figures,
        theirs: (&str, &Figures),
        ratio_min: Option<f64>,
    ) -> Self {
        let (yardstick, theirs) = theirs;
        let ratio = ours.ratio(theirs);
        Self {
            name: name.into(),
            ours: format!("{} {unit}/s", thousands(ours.median())),
            yardstick: format!("{yardstick}: {}", thousands(theirs.median())),
            ratio: Some(ratio),
            target: ratio_min.map_or_else(String::new, |min| format!(">= {min}x")),
            met: ratio_min.map(|min| ratio >= min),
        }
    }

    /// Ours, where more is better, without a yardstick.
    pub(crate) fn rate_alone(name: impl Into<String>, unit: &str, ours: &Figures) -> Self {
        let ours = format!("{} {unit}/s", thousands(ours.median()));
        let (yardstick, target) = (String::new(), String::new());
        Self { name: name.into(), ours, yardstick, ratio: None, target, met: None }
    }

    /// A quantity of which less is better, beside a yardstick if there is one.
    pub(crate) fn quantity(
        name: impl Into<String>,
        unit: &str,
        ours: &Figures,
        theirs: Option<(&str, &Figures)>,
        max: Option<f64>,
    ) -> Self {
        Self {
            name: name.into(),
            ours: format!("{} {unit}", decimal(ours.median())),
            yardstick: theirs
                .map_or_else(String::new, |(name, figures)| format!("{name}: {}", decimal(figures.median()))),
            ratio: theirs.map(|(_, theirs)| ours.ratio(theirs)),
            target: max.map_or_else(String::new, |max| format!("<= {max} {unit}")),
            met: max.map(|max| ours.median() <= max),
        }
    }

    /// A quantity that has neither a yardstick nor a target.
    pub(crate) fn alone(name: impl Into<String>, unit: &str, ours: &Figures) -> Self {
        Self::quantity(name, unit, ours, None, None)
    }

    fn cells(&self) -> [String; 6] {
        let ratio = self.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}x"));
        let met = match self.met {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "",
        };
        let text = [&self.name, &self.ours, &self.yardstick].map(Clone::clone);
        let [name, ours, yardstick] = text;
        [name, ours, yardstick, ratio, self.target.clone(), met.to_owned()]
    }
}

/// Prints the table, and loudly what was missed.
pub(crate) fn print(rows: &[Row]) {
    let head = ["row", "ours", "yardstick", "ratio", "target", "met?"].map(str::to_owned);
    let lines: Vec<[String; 6]> = std::iter::once(head).chain(rows.iter().map(Row::cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    for (number, line) in lines.iter().enumerate() {
        let cells: Vec<String> =
            line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("| {} |", cells.join(" | "));
        if number == 0 {
            println!("|{}|", widths.map(|width| "-".repeat(width + 2)).join("|"));
        }
    }
    let missed: Vec<&str> =
        rows.iter().filter(|row| row.met == Some(false)).map(|row| row.name.as_str()).collect();
    if !missed.is_empty() {
        println!("\n*** {} OF THE TARGETS ARE MISSED: {} ***", missed.len(), missed.join("; "));
    }
}

/// Prints what the figures depend on.
pub(crate) fn print_machine(scratch: &Path, busy: &str) -> Result<()> {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':'))
            .map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory_kib = field(&read("/proc/meminfo"), "MemTotal");
    let memory_kib: f64 = memory_kib.trim_end_matches(" kB").parse().unwrap_or(f64::NAN);
    println!("\ncpu        {}, {cores} cores", field(&read("/proc/cpuinfo"), "model name"));
    println!("memory     {:.1} GiB", memory_kib / 1024.0 / 1024.0);
    println!("kernel     Linux {}", read("/proc/sys/kernel/osrelease").trim());
    println!("fdatasync  {:.2} ms after an append of 200 bytes, median", sync_latency_ms(scratch)?);
    println!("load       {busy} before, {} after (1 minute)", load());
    Ok(())
}

/// How many tasks ran or waited on average in the last minute.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

fn sync_latency_ms(scratch: &Path) -> Result<f64> {
    let mut file = File::create(scratch.join("latency"))?;
    let mut figures = Figures::default();
    for _ in 0..200 {
        let start = Instant::now();
        file.write_all(&[7; 200])?;
        file.sync_data()?;
        figures.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(figures.median())
}

/// A whole number with its thousands apart.
fn thousands(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn decimal(figure: f64) -> String {
    if figure < 10.0 { format!("{figure:.2}") } else { thousands(figure) }
}
