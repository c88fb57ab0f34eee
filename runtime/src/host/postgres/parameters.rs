//! From the interface's values to PostgreSQL's.

use super::numeric::Numeric;
use super::ranges::{Json, Null, Range};
use super::wit::{Error, ParameterValue as Value, RangeBoundKind};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use serde::de::IgnoredAny;
use std::error::Error as StdError;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

/// A parameter as the driver takes it.
pub(super) type Parameter = Box<dyn ToSql + Send + Sync>;

/// Converts the parameters of a statement. The error says which is wrong, and how.
pub(super) fn convert(values: Vec<Value>) -> Result<Vec<Parameter>, Error> {
    let parameter = |(at, value)| {
        parameter(value).map_err(|reason| Error::BadParameter(format!("parameter {}: {reason}", at + 1)))
    };
    values.into_iter().enumerate().map(parameter).collect()
}

fn parameter(value: Value) -> Result<Parameter, String> {
    Ok(match value {
        Value::Boolean(value) => Box::new(value),
        Value::Int8(value) => Box::new(value),
        Value::Int16(value) => Box::new(value),
        Value::Int32(value) => Box::new(value),
        Value::Int64(value) => Box::new(value),
        Value::Floating32(value) => Box::new(value),
        Value::Floating64(value) => Box::new(value),
        Value::Str(value) => Box::new(value),
        Value::Binary(value) => Box::new(value),
        Value::Date((year, month, day)) => Box::new(date(year, month, day)?),
        Value::Time((hour, minute, second, nanosecond)) => Box::new(time(hour, minute, second, nanosecond)?),
        Value::Datetime((year, month, day, hour, minute, second, nanosecond)) => {
            let time = time(hour, minute, second, nanosecond)?;
            Box::new(Moment(date(year, month, day)?.and_time(time)))
        }
        Value::Timestamp(seconds) => {
            let moment = DateTime::from_timestamp(seconds, 0)
                .ok_or_else(|| format!("{seconds} is not a time that can be expressed"))?;
            Box::new(Moment(moment.naive_utc()))
        }
        Value::Uuid(text) => {
            Box::new(Uuid::try_parse(&text).map_err(|error| format!("not a UUID: {error}"))?)
        }
        Value::Jsonb(bytes) => {
            serde_json::from_slice::<IgnoredAny>(&bytes).map_err(|error| format!("not JSON: {error}"))?;
            Box::new(Json(bytes))
        }
        Value::Decimal(text) => Box::new(decimal(&text)?),
        Value::RangeInt32((lower, upper)) => Box::new(Range { lower, upper }),
        Value::RangeInt64((lower, upper)) => Box::new(Range { lower, upper }),
        Value::RangeDecimal((lower, upper)) => Box::new(Range { lower: bound(lower)?, upper: bound(upper)? }),
        Value::ArrayInt32(values) => Box::new(values),
        Value::ArrayInt64(values) => Box::new(values),
        Value::ArrayDecimal(values) => {
            let values = values.iter().map(|value| value.as_deref().map(decimal).transpose());
            Box::new(values.collect::<Result<Vec<_>, _>>()?)
        }
        Value::ArrayStr(values) => Box::new(values),
        Value::Interval(value) => Box::new(value),
        Value::DbNull => Box::new(Null),
    })
}

fn date(year: i32, month: u8, day: u8) -> Result<NaiveDate, String> {
    NaiveDate::from_ymd_opt(year, month.into(), day.into())
        .ok_or_else(|| format!("there is no date {year}-{month}-{day}"))
}

fn time(hour: u8, minute: u8, second: u8, nanosecond: u32) -> Result<NaiveTime, String> {
    NaiveTime::from_hms_nano_opt(hour.into(), minute.into(), second.into(), nanosecond)
        .ok_or_else(|| format!("there is no time {hour}:{minute}:{second} and {nanosecond} ns"))
}

fn decimal(text: &str) -> Result<Numeric, String> {
    Numeric::parse(text).ok_or_else(|| "not a decimal number".to_owned())
}

type TextBound = Option<(String, RangeBoundKind)>;

fn bound(bound: TextBound) -> Result<Option<(Numeric, RangeBoundKind)>, String> {
    bound.map(|(text, kind)| Ok((decimal(&text)?, kind))).transpose()
}

/// A moment in UTC, for columns with a time zone and without.
#[derive(Debug)]
struct Moment(NaiveDateTime);

impl ToSql for Moment {
    to_sql_checked!();

    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        if *ty == Type::TIMESTAMPTZ {
            Utc.from_utc_datetime(&self.0).to_sql(ty, out)
        } else {
            self.0.to_sql(ty, out)
        }
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::TIMESTAMP | Type::TIMESTAMPTZ)
    }
}
