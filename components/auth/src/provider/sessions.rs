//! Where a traveller is signed in: the browsers, and the worlds that have tokens. Each can be ended
//! from elsewhere, by a program with the traveller's token or at a page.

use super::browser::{self, Browser, Session};
use super::error::OauthError;
use super::pages::{self, Ending};
use super::params::Params;
use super::sign_in::{self, Place, see_other};
use super::{consents, grants, hashed, scope};
use crate::accounts;
use crate::audit::{self, Event};
use ::http::{Request, Response};
use serde::Serialize;
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Outcome, Write};

/// The page with the list.
pub(crate) const PAGE_PATH: &str = "/oauth/account";

/// How many of a kind one commit ends: two writes each, beside as many consents.
const BATCH_MAX: usize = 40;

/// Something that can be ended.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Item {
    /// Its id.
    id: String,
    /// When it began, in milliseconds.
    created_at: Timestamp,
    /// When it ends by itself, in milliseconds.
    expires_at: Timestamp,
    #[serde(flatten)]
    kind: Kind,
}

/// What it is.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Kind {
    /// A browser in which the traveller is signed in.
    Browser,
    /// A client that has tokens.
    World { world: String, client_id: String, client_name: String, scope: String },
}

/// Everything that a traveller can end.
pub(crate) async fn list(kv: &impl Kv, traveller: &str) -> Result<Vec<Item>, OauthError> {
    let browsers = browser::list(kv, traveller).await?.into_iter().map(|(id, session)| Item {
        id,
        created_at: session.created_at,
        expires_at: session.expires_at,
        kind: Kind::Browser,
    });
    let worlds = grants::list(kv, traveller).await?.into_iter().map(|(id, grant)| Item {
        id,
        created_at: grant.created_at,
        expires_at: grant.expires_at,
        kind: Kind::World {
            world: grant.world,
            client_id: grant.client_id,
            client_name: grant.client_name,
            scope: scope::shown(&grant.access.scopes),
        },
    });
    Ok(browsers.chain(worlds).collect())
}

/// Ends one of them, at once. A world that lost its tokens is also asked about again.
pub(crate) async fn end(
    kv: &impl Kv,
    traveller: &str,
    id: &str,
    environment: &Environment<'_>,
) -> Result<(), OauthError> {
    // Ids are hashes in base64url; a longer one names nothing.
    let is_id = id.len() == hashed("").len();
    let ends = if is_id { ends(kv, traveller, id).await? } else { None };
    let (event, writes) = ends.ok_or_else(|| Problem::not_found("no session of yours has this id"))?;
    match audit::commit(kv, &event, &[], &writes, environment).await? {
        Outcome::Committed(_) => Ok(()),
        _ => Err(Problem::internal().into()),
    }
}

/// Ends all of them, and forgets what the traveller let worlds learn. What begins meanwhile may be
/// left; whoever erases an account takes the account away first.
pub(crate) async fn end_all(
    kv: &impl Kv,
    traveller: &str,
    environment: &Environment<'_>,
) -> Result<(), OauthError> {
    let event = Event::traveller(audit::Kind::SignedOut, traveller).with("sessions", "all");
    audit::record(kv, &event, environment).await?;
    loop {
        let mut writes = consents::forget_some(kv, traveller).await?;
        for (id, _) in browser::list(kv, traveller).await?.into_iter().take(BATCH_MAX) {
            writes.extend(browser::end(kv, traveller, &id).await?.unwrap_or_default());
        }
        for (id, grant) in grants::list(kv, traveller).await?.into_iter().take(BATCH_MAX) {
            writes.extend(grants::ends(&id, &grant));
        }
        if writes.is_empty() {
            return Ok(());
        }
        kv.commit(&[], &writes).await?;
    }
}

/// The writes that end one, and what the log tells of it.
async fn ends(kv: &impl Kv, traveller: &str, id: &str) -> Result<Option<(Event, Vec<Write>)>, OauthError> {
    if let Some(writes) = browser::end(kv, traveller, id).await? {
        let event = Event::traveller(audit::Kind::SignedOut, traveller).with("sessions", "browser");
        return Ok(Some((event, writes)));
    }
    let Some((grant, _)) = grants::load(kv, id).await? else { return Ok(None) };
    if grant.access.traveller != traveller {
        return Ok(None);
    }
    let mut writes = grants::ends(id, &grant);
    writes.push(consents::forget(traveller, &grant.client_id));
    let event = consents::event(audit::Kind::ConsentWithdrawn, traveller, &grant.client_id);
    Ok(Some((event, writes)))
}

/// Shows the page with the list.
pub(crate) async fn show(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    environment: &Environment<'_>,
) -> Result<Response<Vec<u8>>, OauthError> {
    let browser = Browser::of(kv, request.headers(), environment).await?;
    let Some(session) = &browser.session else {
        return sign_in::page(&browser, &place(), environment);
    };
    let traveller = accounts::traveller(kv, &session.traveller).await?;
    let items = list(kv, &session.traveller).await?;
    let ending = |item: &Item| match &item.kind {
        Kind::Browser if item.id == browser.id() => "This browser".to_owned(),
        Kind::Browser => "Another browser".to_owned(),
        Kind::World { world, client_name, .. } => format!("{client_name} of the world {world}"),
    };
    let endings: Vec<Ending<'_>> = items
        .iter()
        .map(|item| Ending {
            id: &item.id,
            text: ending(item),
            csrf: browser.csrf(&purpose(&item.id, session)),
        })
        .collect();
    Ok(pages::account(&traveller.handle, &endings).answer(None))
}

/// Takes the form of the sign-in page.
pub(crate) async fn sign_in(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    environment: &Environment<'_>,
) -> Result<Response<Vec<u8>>, OauthError> {
    sign_in::submit(kv, request, &place(), environment).await
}

/// Takes a form of the list.
pub(crate) async fn submit(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    environment: &Environment<'_>,
) -> Result<Response<Vec<u8>>, OauthError> {
    let form = Params::form(request)?;
    let browser = Browser::of(kv, request.headers(), environment).await?;
    let Some(session) = &browser.session else { return see_other(PAGE_PATH) };
    let id = form.need("end", "end is missing")?;
    browser.require_csrf(request.headers(), form.get("csrf"), &purpose(id, session))?;
    end(kv, &session.traveller, id, environment).await?;
    see_other(PAGE_PATH)
}

fn place() -> Place {
    Place {
        action: format!("{PAGE_PATH}/sign-in"),
        back: PAGE_PATH.to_owned(),
        answers: hashed("account"),
        leads_to: None,
        hint: None,
    }
}

fn purpose(id: &str, session: &Session) -> String {
    format!("end\n{id}\n{}", session.traveller)
}
