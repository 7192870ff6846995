//! Who calls, and whether they may. Every route takes one of these extractors; a test walks all routes to see that.

use std::marker::PhantomData;

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{HeaderMap, header, request::Parts},
};
use granary_catalog::{Person, Role, Token, project::GLOBAL};
use granary_db::{Db, definitions};

use super::{ApiState, error::Error};

/// The bearer of a live token.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The token.
    pub token: Token,
}

impl Caller {
    /// As audit fields name it.
    pub fn person(&self) -> Person {
        Person::named(self.token.name.clone())
    }
}

/// The caller named by `Authorization: Bearer <token>`.
///
/// # Errors
/// 401 without a live token; 503 while the database, which knows the tokens, is away.
pub async fn authenticate(db: &Db, headers: &HeaderMap) -> Result<Caller, Error> {
    let text = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = text.and_then(|text| {
        let (scheme, secret) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(secret.trim())
    });
    let secret = secret.filter(|secret| !secret.is_empty()).ok_or(Error::Unauthenticated)?;
    let client = db.client().await?;
    let token = definitions::token::find(&client, secret).await?;
    token.map(|token| Caller { token }).ok_or(Error::Unauthenticated)
}

/// A role as a type, so that a handler's signature says what it needs.
pub trait Needs: Send + Sync + 'static {
    /// The role.
    const ROLE: Role;
}

/// Needs [`Role::Viewer`].
pub struct Viewer;
/// Needs [`Role::Editor`].
pub struct Editor;
/// Needs [`Role::DataOwner`].
pub struct DataOwner;

impl Needs for Viewer {
    const ROLE: Role = Role::Viewer;
}
impl Needs for Editor {
    const ROLE: Role = Role::Editor;
}
impl Needs for DataOwner {
    const ROLE: Role = Role::DataOwner;
}

/// A caller with a role in the project of the path; `global` where the path names none.
pub struct In<R: Needs> {
    /// The project, which exists.
    pub project: String,
    /// The caller.
    pub caller: Caller,
    parameters: Parameters,
    role: PhantomData<R>,
}

impl<R: Needs> In<R> {
    /// A parameter of the path, decoded; empty if the route has none of that name.
    pub fn path(&self, name: &str) -> &str {
        self.parameters.get(name)
    }
}

/// The parameters of a path.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    async fn of(parts: &mut Parts, state: &ApiState) -> Result<Self, Error> {
        let raw = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::parameter("path", "must be percent-encoded UTF-8"))?;
        if let Some((name, _)) = raw.iter().find(|(_, value)| value.contains('\0')) {
            return Err(Error::parameter(name, "contains the character U+0000"));
        }
        Ok(Self(raw.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }

    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }
}

impl<R: Needs> FromRequestParts<ApiState> for In<R> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Error> {
        // Before anything of the request is looked at: a stranger learns nothing.
        let caller = authenticate(&state.db, &parts.headers).await?;
        let parameters = Parameters::of(parts, state).await?;
        let project = match parameters.get("project") {
            "" => GLOBAL,
            named => named,
        };
        if !caller.token.access.allows(project, R::ROLE) {
            return Err(Error::Forbidden);
        }
        let client = state.db.client().await?;
        if !definitions::project::exists(&client, project).await? {
            // Only administrators get here: everyone else has roles in projects that exist.
            let hint = match definitions::project::list(&client).await {
                Ok(known) => {
                    let labelled = known
                        .iter()
                        .find(|p| p.definition.display_name == project)
                        .map(|p| p.definition.name.as_str());
                    let names = known.iter().map(|p| p.definition.name.as_str());
                    labelled.or_else(|| granary_catalog::name::nearest(project, names)).map(did_you_mean)
                }
                Err(_) => None,
            };
            return Err(Error::not_found("Project", project, hint));
        }
        Ok(Self { project: project.to_owned(), caller, parameters, role: PhantomData })
    }
}

/// The sentence for a near name.
pub(super) fn did_you_mean(name: &str) -> String {
    format!("Did you mean '{name}'?")
}

/// Any caller with a live token.
pub struct Anyone {
    /// The caller.
    pub caller: Caller,
    parameters: Parameters,
}

impl Anyone {
    /// A parameter of the path, decoded; empty if the route has none of that name.
    pub fn path(&self, name: &str) -> &str {
        self.parameters.get(name)
    }
}

impl FromRequestParts<ApiState> for Anyone {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Error> {
        let caller = authenticate(&state.db, &parts.headers).await?;
        let parameters = Parameters::of(parts, state).await?;
        Ok(Self { caller, parameters })
    }
}

/// A caller who may do everything.
pub struct Admin {
    /// The caller.
    pub caller: Caller,
    parameters: Parameters,
}

impl Admin {
    /// A parameter of the path, decoded; empty if the route has none of that name.
    pub fn path(&self, name: &str) -> &str {
        self.parameters.get(name)
    }
}

impl FromRequestParts<ApiState> for Admin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Error> {
        let Anyone { caller, parameters } = Anyone::from_request_parts(parts, state).await?;
        if caller.token.access.admin { Ok(Self { caller, parameters }) } else { Err(Error::Forbidden) }
    }
}
