//! Callbacks as the manuals of ArmCloud and VMOS Cloud describe them: a JSON object for each message, its fields by the task's type.
//!
//! Invariants: types without a callback are told nothing of (time zone, language, SIM, position, proxy, limits, properties, ADB); nothing here is signed, no
//! manual says how. Not here: when a message is sent and what becomes of it (`sim::callback`), callbacks of kinds of work that are not simulated.

use super::task::{num, signed, task_type};
use crate::model::fleet::ProviderKind;
use crate::sim::callback::{News, Notice};
use crate::sim::job::{State, Work};
use crate::sim::phone::App;
use crate::sim::world::World;
use bytes::Bytes;
use serde_json::{Value, json};

/// The type of what is told of a phone's status.
const STATUS: i64 = 999;

/// The message, if the type has a callback.
pub(in crate::sim) fn callback(world: &World, notice: &Notice<'_>) -> Option<Bytes> {
    let number = |value: i64| json!(num(world, value));
    let body = match notice.news {
        News::Phone { status, connected } => json!({
            "taskBusinessType": number(STATUS),
            "padCode": notice.phone,
            "padStatus": number(status.into()),
            "padConnectStatus": number(connected.into()),
        }),
        News::Job {
            id,
            work,
            state,
            text,
        } => {
            let mut body = json!({ "padCode": notice.phone, "taskId": number(signed(id)) });
            let told = Told {
                world,
                notice,
                good: state == State::Succeeded,
                status: number(status(state)?),
                text,
            };
            told.add(work, &mut body)?;
            body
        }
    };
    serde_json::to_vec(&body).ok().map(Bytes::from)
}

/// A job's `taskStatus` when it is over.
fn status(state: State) -> Option<i64> {
    match state {
        State::Succeeded => Some(3),
        State::Failed => Some(-1),
        State::TimedOut => Some(-4),
        State::Parked | State::Running | State::Cut | State::Hung => None,
    }
}

/// How a job ended.
struct Told<'a> {
    world: &'a World,
    notice: &'a Notice<'a>,
    good: bool,
    status: Value,
    text: Option<&'a str>,
}

impl Told<'_> {
    /// Adds what is told of this work; `None`: it has no callback.
    fn add(&self, work: &Work, body: &mut Value) -> Option<()> {
        // VMOS Cloud's samples: commands without their type, installs in the shape of any other task.
        let plain = self.world.spec.provider != ProviderKind::ArmCloud;
        let mut typed = true;
        match work {
            Work::Restart | Work::Reset | Work::Upgrade { .. } => self.task(body),
            Work::Shell(script) => {
                self.task(body);
                body["cmd"] = json!(script.text());
                body["cmdResult"] = json!(self.text.unwrap_or_default());
                typed = !plain;
            }
            Work::Install(_) if plain => self.task(body),
            Work::Install(app) => {
                let mut row = self.app(app);
                row["failMsg"] = json!(if self.good { None } else { self.text });
                row["versionCode"] = json!(app.version_code);
                row["versionName"] = json!(app.version_name);
                body["apps"] = json!([row]);
                body["endTime"] = self.end_time();
            }
            Work::Uninstall(package) => {
                let known = self.world.offers.iter();
                let mut known = known.map(|offer| &offer.app);
                body["apps"] = match known.find(|app| app.package == *package) {
                    Some(app) => self.app(app),
                    None => self.app(&App::new(package, package, "", 0)),
                };
            }
            Work::Start(package) | Work::Stop(package) => {
                body["taskStatus"] = self.status.clone();
                body["packageName"] = json!(package);
            }
            Work::Push(_) => {
                body["result"] = json!(self.good);
                body["errorCode"] = json!(if self.good { None } else { self.text });
                body["fileId"] = Value::Null;
            }
            Work::TimeZone(_)
            | Work::Language(_)
            | Work::Gps(_)
            | Work::Properties { .. }
            | Work::Sim(_)
            | Work::SimByCountry { .. }
            | Work::AndroidProperties { .. }
            | Work::Proxy(_)
            | Work::Bandwidth(_)
            | Work::Adb(_)
            | Work::Other => return None,
        }
        if typed {
            body["taskBusinessType"] = json!(num(self.world, task_type(work).into()));
        }
        Some(())
    }

    /// What most types tell.
    fn task(&self, body: &mut Value) {
        let failed = self.text.unwrap_or("failed");
        body["taskStatus"] = self.status.clone();
        body["taskContent"] = Value::Null;
        body["taskResult"] = json!(if self.good { "Success" } else { failed });
        body["endTime"] = self.end_time();
    }

    fn end_time(&self) -> Value {
        json!(num(self.world, self.notice.at.0))
    }

    fn app(&self, app: &App) -> Value {
        let mut offers = self.world.offers.iter();
        let offer = offers.find(|offer| *offer.app == *app);
        json!({
            "appId": offer.map(|offer| offer.id),
            "appName": app.name,
            "pkgName": app.package,
            "padCode": self.notice.phone,
            "result": self.good,
        })
    }
}
