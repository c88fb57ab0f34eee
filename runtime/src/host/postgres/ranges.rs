//! Range types, and others that the driver does not know.

use super::wit::{Interval, RangeBoundKind};
use bytes::{Buf, BufMut, BytesMut};
use postgres_protocol::types::{Range as Raw, RangeBound, range_from_sql, range_to_sql};
use std::error::Error;
use tokio_postgres::types::{FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

type BoxError = Box<dyn Error + Sync + Send>;

/// One end of a range; none is without end.
pub(super) type Bound<T> = Option<(T, RangeBoundKind)>;

/// A range of values.
#[derive(Debug)]
pub(super) struct Range<T> {
    pub(super) lower: Bound<T>,
    pub(super) upper: Bound<T>,
}

/// The type of a range's ends.
fn element(ty: &Type) -> Option<&Type> {
    match ty.kind() {
        Kind::Range(element) => Some(element),
        _ => None,
    }
}

fn write<T: ToSql>(
    bound: &Bound<T>,
    ty: &Type,
    out: &mut BytesMut,
) -> Result<RangeBound<postgres_protocol::IsNull>, BoxError> {
    let Some((value, kind)) = bound else { return Ok(RangeBound::Unbounded) };
    let is_null = match value.to_sql(ty, out)? {
        IsNull::Yes => postgres_protocol::IsNull::Yes,
        IsNull::No => postgres_protocol::IsNull::No,
    };
    Ok(match kind {
        RangeBoundKind::Inclusive => RangeBound::Inclusive(is_null),
        RangeBoundKind::Exclusive => RangeBound::Exclusive(is_null),
    })
}

impl<T: ToSql> ToSql for Range<T> {
    to_sql_checked!();

    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        let element = element(ty).ok_or("not a range type")?;
        range_to_sql(|out| write(&self.lower, element, out), |out| write(&self.upper, element, out), out)?;
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        element(ty).is_some_and(T::accepts)
    }
}

fn read<'a, T: FromSql<'a>>(bound: RangeBound<Option<&'a [u8]>>, ty: &Type) -> Result<Bound<T>, BoxError> {
    Ok(match bound {
        RangeBound::Inclusive(Some(raw)) => Some((T::from_sql(ty, raw)?, RangeBoundKind::Inclusive)),
        RangeBound::Exclusive(Some(raw)) => Some((T::from_sql(ty, raw)?, RangeBoundKind::Exclusive)),
        RangeBound::Inclusive(None) | RangeBound::Exclusive(None) | RangeBound::Unbounded => None,
    })
}

impl<'a, T: FromSql<'a>> FromSql<'a> for Range<T> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, BoxError> {
        let element = element(ty).ok_or("not a range type")?;
        match range_from_sql(raw)? {
            // The interface has no form for it. Spin gives out a range without ends, which is
            // the opposite.
            Raw::Empty => Err("the interface cannot express an empty range".into()),
            Raw::Nonempty(lower, upper) => {
                Ok(Self { lower: read(lower, element)?, upper: read(upper, element)? })
            }
        }
    }

    fn accepts(ty: &Type) -> bool {
        element(ty).is_some_and(T::accepts)
    }
}

impl ToSql for Interval {
    to_sql_checked!();

    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        out.put_i64(self.micros);
        out.put_i32(self.days);
        out.put_i32(self.months);
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::INTERVAL
    }
}

impl FromSql<'_> for Interval {
    fn from_sql(_: &Type, mut raw: &[u8]) -> Result<Self, BoxError> {
        if raw.len() != 16 {
            return Err("an INTERVAL has 16 bytes".into());
        }
        Ok(Self { micros: raw.get_i64(), days: raw.get_i32(), months: raw.get_i32() })
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::INTERVAL
    }
}

/// JSON as text, which the guest has its own parser for. `JSONB` has a version before it.
#[derive(Debug)]
pub(super) struct Json(pub(super) Vec<u8>);

const JSONB_VERSION: u8 = 1;

impl ToSql for Json {
    to_sql_checked!();

    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        if *ty == Type::JSONB {
            out.put_u8(JSONB_VERSION);
        }
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::JSON | Type::JSONB)
    }
}

impl FromSql<'_> for Json {
    fn from_sql(_: &Type, raw: &[u8]) -> Result<Self, BoxError> {
        match raw.split_first() {
            Some((&JSONB_VERSION, text)) => Ok(Self(text.to_owned())),
            _ => Err("this version of JSONB is not known".into()),
        }
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSONB
    }
}

/// The bytes of a value whose type the interface does not have.
#[derive(Debug)]
pub(super) struct Other(pub(super) Vec<u8>);

impl FromSql<'_> for Other {
    fn from_sql(_: &Type, raw: &[u8]) -> Result<Self, BoxError> {
        Ok(Self(raw.to_owned()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// NULL, whatever the type.
#[derive(Debug)]
pub(super) struct Null;

impl ToSql for Null {
    to_sql_checked!();

    fn to_sql(&self, _: &Type, _: &mut BytesMut) -> Result<IsNull, BoxError> {
        Ok(IsNull::Yes)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
