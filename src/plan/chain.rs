//! The chain: which call carries out each change, and which changes go together.
//!
//! Invariants: stages come in their order, and in the same order on every phone; one step is one call with at most as many attributes as it takes;
//! an app or an image is a step of its own. Not here: whether a change may go (`gate`).

use super::diff::{Found, Known};
use super::phone::{Change, Payload, PhoneInput, PhoneStep};
use super::version::{version_fits, version_of};
use crate::model::attribute::Attribute;
use crate::model::capability::{CallName, Costs, Stage};
use crate::model::condition::Cause;
use crate::model::fleet::AppSource;
use crate::model::id::{AppName, Package};
use crate::model::value::{AppWish, ImageTarget, Value, VersionWish, Wish};
use smol_str::SmolStr;
use std::sync::Arc;

/// How a change is carried out.
pub(super) struct Route {
    pub(super) call: CallName,
    pub(super) app: Option<(Package, AppSource)>,
    pub(super) image: Option<SmolStr>,
}

/// The route of a change, or why there is none, in a line for people.
pub(super) fn route(
    input: &PhoneInput<'_>,
    change: &Change,
    known: Known<'_>,
) -> Result<Route, String> {
    let source = match (&change.attribute, &change.to) {
        (Attribute::App(package), Wish::Set(Value::App(AppWish::Present { app, version }))) => {
            Some(source(input, package, app.as_ref(), version)?)
        }
        (_, Wish::Set(_) | Wish::Reset) => None,
    };
    let image = match &change.to {
        Wish::Set(Value::Image(image)) => Some(image_id(input, &image.target)?),
        Wish::Set(_) | Wish::Reset => None,
    };
    let (call, offered) = known
        .row
        .and_then(|row| row.route(&change.to, source))
        .map(|plain| (plain, None))
        .map(|way| known_way(input, change, way))
        .ok_or_else(|| {
            let verb = match change.to {
                Wish::Set(_) => "write",
                Wish::Reset => "reset",
            };
            format!(
                "{} cannot {verb} {}",
                input.capabilities.provider, change.attribute
            )
        })?;
    let source = source.or(offered);
    if let Some(reason) = known.refused(input.capabilities, change, source) {
        return Err(reason);
    }
    let app = match (&change.attribute, source) {
        (Attribute::App(package) | Attribute::Running(package), Some(source)) => {
            Some((package.clone(), source.clone()))
        }
        (_, _) => None,
    };
    Ok(Route { call, app, image })
}

/// Another call than the plain one, where the vendor has one for apps that its catalogue knows, and knows this one.
fn known_way<'a>(
    input: &PhoneInput<'a>,
    change: &Change,
    plain: (CallName, Option<&'a AppSource>),
) -> (CallName, Option<&'a AppSource>) {
    let package = match (&change.attribute, &change.to) {
        (Attribute::App(package), Wish::Set(Value::App(AppWish::Absent)))
        | (Attribute::Running(package), _) => package,
        (_, Wish::Set(_) | Wish::Reset) => return plain,
    };
    let Some(source) = offered(input, package) else {
        return plain;
    };
    match input
        .capabilities
        .route(&change.attribute, &change.to, Some(source))
    {
        Some(call) if call != plain.0 => (call, Some(source)),
        Some(_) | None => plain,
    }
}

/// Where the vendor's catalogue has the app that is on the phone, in just the version that is there: what else its id stands for is not documented.
fn offered<'a>(input: &PhoneInput<'a>, package: &Package) -> Option<&'a AppSource> {
    let apps = input.sight.apps.as_ref()?;
    let installed = apps.iter().find(|app| app.package == *package)?;
    let catalogue = input.catalogue.apps.as_ref()?;
    let fits = |source: &&AppSource| match source {
        AppSource::Catalogue { account, app_id } => {
            *account == input.key.account
                && catalogue.get(app_id).is_some_and(|entry| {
                    entry.package.as_ref() == Some(package)
                        && entry.version_name.is_some()
                        && entry.version_name == installed.version_name
                })
        }
        AppSource::Url { .. } => false,
    };
    let mut sources = input
        .apps
        .values()
        .filter(|app| app.package == *package)
        .flat_map(|app| &app.sources);
    sources.find(fits)
}

/// Where an app comes from for this phone's account, checked against the catalogue as far as that was read.
fn source<'a>(
    input: &PhoneInput<'a>,
    package: &Package,
    name: Option<&AppName>,
    version: &VersionWish,
) -> Result<&'a AppSource, String> {
    let Some(name) = name else {
        return Err("no App manifest says where it comes from".to_owned());
    };
    let app = input
        .apps
        .get(name)
        .ok_or_else(|| format!("there is no App {name}"))?;
    let source = app
        .source_for(&input.key.account)
        .ok_or_else(|| format!("App {name} has no source for account {}", input.key.account))?;
    let (AppSource::Catalogue { app_id, .. }, Some(catalogue)) = (source, &input.catalogue.apps)
    else {
        return Ok(source);
    };
    let entry = catalogue.get(app_id).ok_or_else(|| {
        format!(
            "the catalogue of account {} has no app {app_id}",
            input.key.account
        )
    })?;
    if let Some(other) = entry.package.as_ref().filter(|other| *other != package) {
        return Err(format!("app {app_id} of the catalogue is {other}"));
    }
    let fits = version_fits(
        version_of(input.apps, Some(name), version),
        entry.version_name.as_deref(),
        entry.version_code,
    );
    if fits == Some(false) {
        let version = entry.version_name.as_deref().unwrap_or("another version");
        return Err(format!(
            "app {app_id} of the catalogue is version {version}"
        ));
    }
    Ok(source)
}

fn image_id(input: &PhoneInput<'_>, target: &ImageTarget) -> Result<SmolStr, String> {
    let images = input.catalogue.images.as_deref();
    match (target, images) {
        (ImageTarget::Id(id), None) => Ok(id.clone()),
        (ImageTarget::Id(id), Some(images)) => images
            .iter()
            .any(|image| image.id == *id)
            .then(|| id.clone())
            .ok_or_else(|| format!("account {} has no image {id}", input.key.account)),
        (ImageTarget::Version(_), None) => Err(format!(
            "{} does not list its images: name one by id",
            input.capabilities.provider
        )),
        (ImageTarget::Version(version), Some(images)) => images
            .iter()
            .find(|image| image.version.as_ref() == Some(version))
            .map(|image| image.id.clone())
            .ok_or_else(|| {
                format!(
                    "account {} has no image of version {version}",
                    input.key.account
                )
            }),
    }
}

/// A step as it is gathered.
struct Draft {
    stage: Stage,
    route: Route,
    writes: Vec<(Attribute, Wish)>,
    costs: Costs,
    cause: Cause,
    room: u32,
}

/// The chain of the changes that have a route, which are sorted by stage and attribute.
pub(super) fn build(
    input: &PhoneInput<'_>,
    found: &[Found<'_>],
    routes: Vec<Option<Route>>,
) -> Vec<PhoneStep> {
    let mut drafts: Vec<Draft> = Vec::new();
    for (Found { change, .. }, route) in found.iter().zip(routes) {
        let Some(route) = route else { continue };
        let write = (change.attribute.clone(), change.to.clone());
        let alone = route.app.is_some() || route.image.is_some();
        let partner = drafts.iter_mut().find(|draft| {
            !alone
                && draft.room > 0
                && draft.stage == change.stage
                && draft.route.call == route.call
        });
        if let Some(draft) = partner {
            draft.writes.push(write);
            draft.costs = draft.costs.union(change.costs);
            // `Corrective` is the last of the causes: the weakest wins.
            draft.cause = draft.cause.max(change.cause);
            draft.room -= 1;
            continue;
        }
        let takes = input
            .capabilities
            .call(route.call)
            .map_or(1, |call| call.max_attributes);
        drafts.push(Draft {
            stage: change.stage,
            writes: vec![write],
            costs: change.costs,
            cause: change.cause,
            room: if alone { 0 } else { takes.saturating_sub(1) },
            route,
        });
    }
    drafts.into_iter().map(Draft::finish).collect()
}

impl Draft {
    fn finish(self) -> PhoneStep {
        let Route { call, app, image } = self.route;
        PhoneStep {
            payload: Arc::new(Payload {
                call,
                writes: self.writes.into(),
                app,
                image,
            }),
            stage: self.stage,
            costs: self.costs,
            cause: self.cause,
        }
    }
}
