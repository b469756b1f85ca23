//! `POST /v3/auth/tokens` of IAM, as its manual describes it: a password for one project gives a token.
//!
//! Invariants: the token stands in `X-Subject-Token` and nowhere else; names are told apart from passwords by nothing in the answer. Not here: signatures.

use super::{desk, json, written};
use crate::model::stamp::Timestamp;
use crate::sim::world::World;
use crate::time::delay::hash;
use bytes::Bytes;
use http::HeaderValue;
use serde::Deserialize;
use serde_json::json;
use smol_str::format_smolstr;

/// The fake user.
pub const USERNAME: &str = "simulated-user";
/// The fake user's password.
pub const PASSWORD: &str = "simulated-password-opens-nothing";
/// The account the fake user belongs to.
pub const DOMAIN: &str = "simulated-domain";
/// The project the fake user may use.
pub const PROJECT: &str = "cn-south-1";

#[derive(Deserialize)]
struct Request {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    identity: Identity,
    scope: Scope,
}

#[derive(Deserialize)]
struct Identity {
    methods: Vec<String>,
    password: Password,
}

#[derive(Deserialize)]
struct Password {
    user: User,
}

#[derive(Deserialize)]
struct User {
    name: String,
    password: String,
    domain: Named,
}

#[derive(Deserialize)]
struct Scope {
    project: Named,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// Gives a token, or says why not.
pub(super) fn answer(world: &mut World, body: &[u8]) -> http::Response<Bytes> {
    let now = world.now;
    let no = |status: u16, title: &str, words: &str| {
        let body = json!({ "error": { "code": status, "message": words, "title": title } });
        json(now, status, written(&body))
    };
    let Ok(Request { auth }) = serde_json::from_slice::<Request>(body) else {
        return no(400, "Bad Request", "Request body is invalid.");
    };
    if auth.identity.methods != ["password"] {
        return no(400, "Bad Request", "Request method is invalid.");
    }
    let user = auth.identity.password.user;
    if (&*user.name, &*user.password, &*user.domain.name) != (USERNAME, PASSWORD, DOMAIN) {
        world.report.bad_signatures += 1;
        let words = "The username or password is wrong.";
        return no(401, "Unauthorized", words);
    }
    if auth.scope.project.name != PROJECT {
        return no(400, "Bad Request", "The project does not exist.");
    }
    let (seed, life) = (world.spec.seed, desk::at(world, |desk| desk.token_life));
    let ends = now.after(life);
    let token = desk::at(world, |desk| {
        desk.given += 1;
        desk.tokens.retain(|_, ends| *ends > now);
        let number = desk.given;
        let token = format_smolstr!("MIIsim{number}-{:016x}", hash("token", number, seed));
        desk.tokens.insert(token.clone(), ends);
        token
    });
    let moment = |at: Timestamp| {
        jiff::Timestamp::from_millisecond(at.0)
            .map(|at| at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
            .unwrap_or_default()
    };
    let body = json!({ "token": {
        "catalog": [],
        "expires_at": moment(ends),
        "issued_at": moment(now),
        "methods": ["password"],
        "project": { "name": PROJECT, "id": "0605767a5d0000002f1cc00000000000", "domain": { "name": DOMAIN } },
        "roles": [{ "id": "0", "name": "te_admin" }],
        "user": { "name": USERNAME, "domain": { "name": DOMAIN }, "password_expires_at": "" },
    } });
    let mut response = json(now, 201, written(&body));
    if let Ok(token) = HeaderValue::from_str(&token) {
        response.headers_mut().insert("x-subject-token", token);
    }
    response
}

/// Whether a token is valid now.
pub(super) fn check(world: &mut World, token: &str) -> Result<(), &'static str> {
    let now = world.now;
    let ends = desk::at(world, |desk| desk.tokens.get(token).copied());
    match ends {
        Some(ends) if ends > now => Ok(()),
        Some(_) => Err("token expires, expires_at is past"),
        None => Err("decrypt token fail"),
    }
}
