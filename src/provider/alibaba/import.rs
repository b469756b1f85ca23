//! Files that come by url into the vendor's catalogue: looked up by their digest, taken in where they are not there, installed once they are.
//!
//! Invariants: a file is looked up before it is taken in, and taken in once as far as the vendor's list tells; nothing is done on phones before the vendor has
//! it, so no error on the way there is "maybe accepted". Not here: the other orders (`order`). Source: CreateApp and DescribeApps of the vendor's API, where
//! the import is asynchronous and the list filters by MD5.

use super::order;
use super::table::{ROWS, call};
use super::wire::{AppRow, Call, Created, Page, action};
use super::{Alibaba, Answered, convert};
use crate::model::fleet::AppSource;
use crate::model::id::{Package, PhoneId};
use crate::model::stamp::Timestamp;
use crate::provider::asked::without_payload;
use crate::provider::refusal::{our_bug, refused};
use crate::provider::{Accepted, CallError, ErrorKind, Order, Submission};
use serde::Serialize;
use smol_str::SmolStr;
use std::time::Duration;

/// How long a file that is being taken in is not asked about again.
const PAUSE: Duration = Duration::from_secs(5);
/// Files that are remembered; more are looked up again.
const REMEMBERED: usize = 1_000;

/// What is known of a file.
#[derive(Clone, Debug)]
pub(super) enum Import {
    /// The catalogue has it under this id.
    Ready(SmolStr),
    /// At that time it was being taken in.
    Coming(Timestamp),
}

/// What the catalogue says of a file.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Ready(SmolStr),
    Coming,
    Failed,
    Missing,
}

/// A file as the manifest describes it.
struct File<'a> {
    package: &'a Package,
    url: &'a str,
    md5: &'a str,
    size_mb: u32,
    version: &'a str,
    code: u64,
}

impl<'a> File<'a> {
    fn of(order: &'a Order) -> Option<Self> {
        let app = order.app.as_ref()?;
        let AppSource::Url {
            url,
            md5,
            size_mb,
            version,
            version_code,
        } = &app.source
        else {
            return None;
        };
        Some(Self {
            package: &app.package,
            url,
            md5: md5.as_deref()?,
            size_mb: (*size_mb)?,
            version: version.as_deref()?,
            code: (*version_code)?,
        })
    }

    fn lookup(&self) -> Call {
        Call::of(&action::APPS)
            .with("MD5", self.md5)
            .with("MaxResults", &ROWS)
    }

    /// # Errors
    /// It cannot be written as JSON (our bug).
    fn creation(&self) -> Result<Call, CallError> {
        /// All texts, as the SDK has them.
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Info<'a> {
            apk_size: String,
            download_url: &'a str,
            md5: &'a str,
            package_name: &'a str,
            version: &'a str,
            version_code: String,
        }
        let info = serde_json::to_string(&Info {
            apk_size: self.size_mb.to_string(),
            download_url: self.url,
            md5: self.md5,
            package_name: self.package.as_str(),
            version: self.version,
            version_code: self.code.to_string(),
        })
        .map_err(|problem| our_bug(format!("a parameter cannot be written: {problem}")))?;
        Ok(Call::of(&action::CREATE_APP)
            .with("AppName", self.package)
            .with("CustomAppInfo", &info))
    }

    /// What these rows say of the file; the oldest entry that can be installed counts.
    fn standing(&self, rows: &[AppRow]) -> Standing {
        let mut told = Standing::Missing;
        let mut ready: Option<(u64, SmolStr)> = None;
        let ours = rows.iter().filter(|row| {
            row.md5
                .as_deref()
                .is_some_and(|md5| md5.trim().eq_ignore_ascii_case(self.md5))
                && row
                    .package_name
                    .as_deref()
                    .is_none_or(|package| package.trim() == self.package.as_str())
        });
        for row in ours {
            let Some(id) = convert::some(row.app_id.as_ref()) else {
                continue;
            };
            match row
                .status
                .as_deref()
                .map(str::to_ascii_uppercase)
                .as_deref()
            {
                Some("FAILED") if told == Standing::Missing => told = Standing::Failed,
                Some("FAILED") => {}
                Some("CREATING") => told = Standing::Coming,
                Some(_) | None => {
                    let place = (id.parse().unwrap_or(u64::MAX), id);
                    ready = Some(ready.map_or(place.clone(), |other| other.min(place)));
                }
            }
        }
        ready.map_or(told, |(_, id)| Standing::Ready(id))
    }
}

/// Nothing was done on any phone: an order may be sent again as soon as there is something to install.
fn not_yet(phones: &[PhoneId], asked: Timestamp) -> CallError {
    CallError {
        kind: ErrorKind::NotReady,
        phones: phones.to_vec(),
        retry_at: Some(asked.after(PAUSE)),
        ..refused("the vendor is taking the app into its catalogue")
    }
}

impl Alibaba {
    /// Installs an app that comes by url through the catalogue: at most a look and one more request.
    pub(super) async fn install_described(&self, order: &Order) -> Result<Submission, CallError> {
        let file = File::of(order)
            .ok_or_else(|| our_bug(format!("an order does not fit {}", call::CREATE)))?;
        let known = self.memory().imports.get(file.md5).cloned();
        let id = match known {
            Some(Import::Ready(id)) => id,
            Some(Import::Coming(at)) if self.outfit.clock.now() < at.after(PAUSE) => {
                return Err(not_yet(&order.phones, at));
            }
            Some(Import::Coming(_)) | None => self.taken_in(&file, &order.phones).await?,
        };
        let started = self
            .start(&order::install(&order.phones, &id), &order.phones)
            .await;
        if let Err(error) = &started
            && error.kind == ErrorKind::NotFound
        {
            // Somebody may have removed it from the catalogue.
            self.memory().imports.remove(file.md5);
        }
        started
    }

    /// The catalogue's id of a file that it has.
    ///
    /// # Errors
    /// It does not have it (yet); what could be done about that was done.
    async fn taken_in(&self, file: &File<'_>, phones: &[PhoneId]) -> Result<SmolStr, CallError> {
        // Other orders for it wait for what this one finds out.
        let asked = self.outfit.clock.now();
        self.remember(file, Import::Coming(asked));
        let page: Answered<Page<AppRow>> = self.exchange(&file.lookup(), &[]).await?;
        let page =
            convert::unpaged(page.payload, None).ok_or_else(|| without_payload("page of apps"))?;
        match file.standing(&page.rows) {
            Standing::Ready(id) => {
                self.remember(file, Import::Ready(id.clone()));
                Ok(id)
            }
            Standing::Coming => Err(not_yet(phones, asked)),
            Standing::Failed => Err(refused(format!(
                "the vendor could not take {} {} into its catalogue: compare md5, sizeMb, version and versionCode with the file, and remove the failed entry in the console",
                file.package, file.version
            ))),
            Standing::Missing if page.next.is_some() => Err(refused(
                "the vendor's list of apps does not look for one file; leave versionCode out of the source to send the file to each phone",
            )),
            Standing::Missing => {
                let created: Result<Answered<Created>, CallError> =
                    self.exchange(&file.creation()?, &[]).await;
                // Whatever became of it, nothing was done on a phone.
                let created = created.map_err(|error| CallError {
                    accepted: Accepted::No,
                    ..error
                })?;
                tracing::info!(package = %file.package, app = created.payload.app_id.as_deref(), "The vendor takes an app into its catalogue.");
                Err(not_yet(phones, asked))
            }
        }
    }

    fn remember(&self, file: &File<'_>, import: Import) {
        let mut memory = self.memory();
        if memory.imports.len() >= REMEMBERED {
            memory.imports.clear();
        }
        memory.imports.insert(file.md5.into(), import);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entry_that_can_be_installed_counts() {
        let package = Package::new("com.example.maps");
        let file = File {
            package: &package,
            url: "https://files.example/maps.apk",
            md5: "32e1f345f209a7dc1cc704913ea436d3",
            size_mb: 12,
            version: "1.4.2",
            code: 142,
        };
        let row = |id: &str, md5: &str, package: &str, status: &str| AppRow {
            app_id: Some(id.into()),
            package_name: Some(package.into()),
            md5: Some(md5.into()),
            status: Some(status.into()),
            ..AppRow::default()
        };
        let (ours, maps) = ("32E1F345F209A7DC1CC704913EA436D3", "com.example.maps");
        let other = row("1", "0f938c4f0995a83c9bf31f0c64322589", maps, "NORMAL");
        let stranger = row("2", ours, "com.example.other", "NORMAL");
        let mut rows = vec![other, stranger];
        assert_eq!(file.standing(&rows), Standing::Missing);
        rows.push(row("3", ours, maps, "FAILED"));
        assert_eq!(file.standing(&rows), Standing::Failed);
        rows.push(row("4", ours, maps, "creating"));
        assert_eq!(file.standing(&rows), Standing::Coming);
        rows.push(row("10", ours, maps, "NORMAL"));
        rows.push(row("9", ours, maps, "NORMAL"));
        assert_eq!(file.standing(&rows), Standing::Ready("9".into()));
    }
}
