//! From PostgreSQL's values to the interface's. Which type becomes which is as in Spin.

use super::numeric::Numeric;
use super::ranges::{Bound, Json, Other, Range};
use super::wit::{Column, DbDataType, DbValue, Error, Interval, RangeBoundKind};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

/// The columns of a statement.
pub(super) fn columns(statement: &Statement) -> Vec<Column> {
    let column = |column: &tokio_postgres::Column| Column {
        name: column.name().to_owned(),
        data_type: data_type(column.type_()),
    };
    statement.columns().iter().map(column).collect()
}

fn data_type(ty: &Type) -> DbDataType {
    match *ty {
        Type::BOOL => DbDataType::Boolean,
        Type::BYTEA => DbDataType::Binary,
        Type::FLOAT4 => DbDataType::Floating32,
        Type::FLOAT8 => DbDataType::Floating64,
        Type::INT2 => DbDataType::Int16,
        Type::INT4 => DbDataType::Int32,
        Type::INT8 => DbDataType::Int64,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR => DbDataType::Str,
        Type::TIMESTAMP | Type::TIMESTAMPTZ => DbDataType::Datetime,
        Type::DATE => DbDataType::Date,
        Type::TIME => DbDataType::Time,
        Type::UUID => DbDataType::Uuid,
        Type::JSONB => DbDataType::Jsonb,
        Type::NUMERIC => DbDataType::Decimal,
        Type::INT4_RANGE => DbDataType::RangeInt32,
        Type::INT8_RANGE => DbDataType::RangeInt64,
        Type::NUM_RANGE => DbDataType::RangeDecimal,
        Type::INT4_ARRAY => DbDataType::ArrayInt32,
        Type::INT8_ARRAY => DbDataType::ArrayInt64,
        Type::NUMERIC_ARRAY => DbDataType::ArrayDecimal,
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::BPCHAR_ARRAY => DbDataType::ArrayStr,
        Type::INTERVAL => DbDataType::Interval,
        _ => DbDataType::Other(ty.name().to_owned()),
    }
}

/// The values of a row.
pub(super) fn row(row: &Row) -> Result<Vec<DbValue>, Error> {
    let values = (0..row.len()).map(|at| value(row, at));
    values
        .collect::<Result<_, _>>()
        .map_err(|error| Error::ValueConversionFailed(super::errors::chain(&error)))
}

fn value(row: &Row, at: usize) -> Result<DbValue, tokio_postgres::Error> {
    match *row.columns()[at].type_() {
        Type::BOOL => get(row, at, DbValue::Boolean),
        Type::BYTEA => get(row, at, DbValue::Binary),
        Type::FLOAT4 => get(row, at, DbValue::Floating32),
        Type::FLOAT8 => get(row, at, DbValue::Floating64),
        Type::INT2 => get(row, at, DbValue::Int16),
        Type::INT4 => get(row, at, DbValue::Int32),
        Type::INT8 => get(row, at, DbValue::Int64),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR => get(row, at, DbValue::Str),
        Type::TIMESTAMP => get(row, at, datetime),
        Type::TIMESTAMPTZ => get(row, at, |value: DateTime<Utc>| datetime(value.naive_utc())),
        Type::DATE => get(row, at, date),
        Type::TIME => get(row, at, time),
        Type::UUID => get(row, at, |value: Uuid| DbValue::Uuid(value.to_string())),
        Type::JSONB => get(row, at, |value: Json| DbValue::Jsonb(value.0)),
        Type::NUMERIC => get(row, at, |value: Numeric| DbValue::Decimal(value.text())),
        Type::INT4_RANGE => get(row, at, |value: Range<i32>| DbValue::RangeInt32((value.lower, value.upper))),
        Type::INT8_RANGE => get(row, at, |value: Range<i64>| DbValue::RangeInt64((value.lower, value.upper))),
        Type::NUM_RANGE => get(row, at, |value: Range<Numeric>| {
            DbValue::RangeDecimal((decimal(value.lower), decimal(value.upper)))
        }),
        Type::INT4_ARRAY => get(row, at, DbValue::ArrayInt32),
        Type::INT8_ARRAY => get(row, at, DbValue::ArrayInt64),
        Type::NUMERIC_ARRAY => get(row, at, |values: Vec<Option<Numeric>>| {
            DbValue::ArrayDecimal(values.iter().map(|value| value.as_ref().map(Numeric::text)).collect())
        }),
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::BPCHAR_ARRAY => get(row, at, DbValue::ArrayStr),
        Type::INTERVAL => get(row, at, |value: Interval| DbValue::Interval(value)),
        _ => get(row, at, |value: Other| DbValue::Unsupported(value.0)),
    }
}

fn get<'a, T: FromSql<'a>>(
    row: &'a Row,
    at: usize,
    convert: impl Fn(T) -> DbValue,
) -> Result<DbValue, tokio_postgres::Error> {
    let value: Option<T> = row.try_get(at)?;
    Ok(value.map_or(DbValue::DbNull, convert))
}

/// A part of a date or time: chrono's are all small.
fn small(value: u32) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

fn datetime(value: NaiveDateTime) -> DbValue {
    DbValue::Datetime((
        value.year(),
        small(value.month()),
        small(value.day()),
        small(value.hour()),
        small(value.minute()),
        small(value.second()),
        value.nanosecond(),
    ))
}

fn date(value: NaiveDate) -> DbValue {
    DbValue::Date((value.year(), small(value.month()), small(value.day())))
}

fn time(value: NaiveTime) -> DbValue {
    DbValue::Time((small(value.hour()), small(value.minute()), small(value.second()), value.nanosecond()))
}

fn decimal(bound: Bound<Numeric>) -> Option<(String, RangeBoundKind)> {
    bound.map(|(value, kind)| (value.text(), kind))
}
