//! `/v1/zone/export` and `/v1/zone/import`: a whole zone, as a master file or as JSON.

use super::Call;
use crate::zone_import::{self, Fate};
use http::{HeaderValue, Response, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use vwp_core::{Problem, reply};
use vwp_dns::master::{self, export, import};
use vwp_storage::Kv;

/// The media type of a master file (RFC 4027).
const MASTER_MEDIA_TYPE: &str = "text/dns";

/// A record as JSON shows it: its data is text as in a master file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonRecord {
    name: String,
    ttl: u32,
    #[serde(rename = "type")]
    rtype: String,
    data: String,
}

/// What is imported from JSON. An export's pages have the same form.
#[derive(Debug, Deserialize)]
struct JsonZone {
    records: Vec<JsonRecord>,
}

pub(super) async fn export<S: Kv>(call: &Call<'_, S>) -> Result<Response<Vec<u8>>, Problem> {
    let is_json = match call.parameters.format.as_deref() {
        None | Some("master") => false,
        Some("json") => true,
        Some(_) => return Err(Problem::bad_request("format is master or json")),
    };
    let (store, zone) = (call.store, &call.zone);
    let page = if let Some(cursor) = &call.parameters.cursor {
        export::next(store, zone, cursor).await?
    } else {
        let head = call.authority.publish_now(store, zone, call.environment).await?;
        export::first(store, zone, &head).await?
    };
    let mut response = if is_json {
        let record = |record: &master::Record| JsonRecord {
            name: format!("{}.", record.owner),
            ttl: record.ttl_s,
            rtype: record.rtype.to_string(),
            data: master::data_text(record),
        };
        let records: Vec<JsonRecord> = page.records.iter().map(record).collect();
        let zone = zone.apex().to_string();
        let body = json!({ "zone": zone, "serial": page.serial, "records": records, "next": page.next });
        reply::json(StatusCode::OK, &body)
    } else {
        let text: String = page.records.iter().map(master::line).collect();
        reply::with_type(StatusCode::OK, MASTER_MEDIA_TYPE, text.into_bytes())
    };
    if let Some(next) = &page.next {
        // A master file has no place for it; RFC 8288 has one for every kind of content.
        let format = if is_json { "json" } else { "master" };
        let zone = utf8_percent_encode(&zone.apex().to_string(), NON_ALPHANUMERIC).to_string();
        let link = format!("</v1/zone/export?format={format}&zone={zone}&cursor={next}>; rel=\"next\"");
        let link = HeaderValue::from_str(&link).map_err(|_| Problem::internal())?;
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

pub(super) async fn import<S: Kv>(call: &Call<'_, S>) -> Result<Response<Vec<u8>>, Problem> {
    let (headers, body) = (call.request.headers(), call.request.body());
    let text = match reply::require_media_type(headers, MASTER_MEDIA_TYPE) {
        Ok(()) if body.len() > import::LENGTH_MAX => return Err(reply::too_large(import::LENGTH_MAX)),
        Ok(()) => std::str::from_utf8(body)
            .map_err(|_| Problem::bad_request("the master file is not UTF-8"))?
            .to_owned(),
        Err(_) => lines(&reply::read_json::<JsonZone>(headers, body, import::LENGTH_MAX)?)?,
    };
    let imported = import::read(&text, &call.zone)?;
    let left_out: Vec<_> = imported.left_out.iter().map(shown).collect();
    let fates =
        zone_import::apply(call.store, call.environment, &call.authority, &call.zone, &imported.edit).await?;
    let count = |wanted: fn(&Fate) -> bool| fates.iter().filter(|(_, fate)| wanted(fate)).count();
    let names: Vec<_> = fates.iter().map(|(name, fate)| fate_shown(name, fate)).collect();
    let body = json!({
        "zone": call.zone.apex().to_string(),
        "changed": count(|fate| *fate == Fate::Changed),
        "unchanged": count(|fate| *fate == Fate::Unchanged),
        "refused": count(|fate| matches!(fate, Fate::Refused(_))),
        "names": names,
        "left_out": left_out,
    });
    Ok(reply::json(StatusCode::OK, &body))
}

fn fate_shown(name: &str, fate: &Fate) -> serde_json::Value {
    match fate {
        Fate::Changed => json!({ "name": name, "outcome": "changed" }),
        Fate::Unchanged => json!({ "name": name, "outcome": "unchanged" }),
        Fate::Refused(why) => json!({ "name": name, "outcome": "refused", "detail": why }),
    }
}

fn shown((name, rtype): &(vwp_dns::name::OwnName, domain::base::Rtype)) -> serde_json::Value {
    json!({ "name": format!("{name}."), "type": rtype.to_string() })
}

/// The records as lines of a master file, which is what is read.
fn lines(zone: &JsonZone) -> Result<String, Problem> {
    let mut text = String::new();
    for record in &zone.records {
        let line = format!("{} {} IN {} {}", record.name, record.ttl, record.rtype, record.data);
        // One record is one line, so that a mistake in it is one of it alone.
        if line.contains(['\n', '\r']) || record.name.is_empty() || record.name.contains([' ', '\t']) {
            return Err(Problem::bad_request("a record's name or data has a line break or a space too many"));
        }
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}
