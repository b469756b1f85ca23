//! Requests: RPC actions, and where each of their parameters travels.
//!
//! Invariants: lists are flattened with an index from 1; a parameter stands in the place where the official SDK puts it (a test compares with the SDK's
//! own map); nothing is sent that was not said. Not here: signing (`sign`).
//! Source: the vendor's API 2023-09-30; places as in the official SDK.

use crate::transport::Effect;

/// One of the vendor's operations.
#[derive(Debug)]
pub(in super::super) struct Action {
    /// Value of `x-acs-action`.
    pub(in super::super) name: &'static str,
    /// Whether it changes anything.
    pub(in super::super) effect: Effect,
    /// Parameters that stand in a form in the body; all others stand in the query.
    pub(in super::super) form: &'static [&'static str],
}

/// The operations that are used.
pub(in super::super) mod action {
    use super::{Action, Effect};

    const fn query(name: &'static str, effect: Effect) -> Action {
        Action {
            name,
            effect,
            form: &[],
        }
    }

    pub(in super::super::super) static INSTANCES: Action =
        query("DescribeAndroidInstances", Effect::Read);
    pub(in super::super::super) static TASKS: Action = query("DescribeTasks", Effect::Read);
    pub(in super::super::super) static APPS: Action = query("DescribeApps", Effect::Read);
    pub(in super::super::super) static IMAGES: Action = Action {
        name: "DescribeImageList",
        effect: Effect::Read,
        form: &[
            "ImageId",
            "ImageName",
            "ImageType",
            "MaxResults",
            "NextToken",
            "Status",
        ],
    };
    pub(in super::super::super) static ADB: Action =
        query("ListInstanceAdbAttributes", Effect::Read);
    pub(in super::super::super) static PROPERTIES: Action =
        query("GetInstanceProperties", Effect::Read);
    pub(in super::super::super) static COMMAND: Action = query("RunCommand", Effect::Mutation);
    pub(in super::super::super) static INSTALL: Action = query("InstallApp", Effect::Mutation);
    pub(in super::super::super) static CREATE_APP: Action = query("CreateApp", Effect::Mutation);
    pub(in super::super::super) static UNINSTALL: Action = query("UninstallApp", Effect::Mutation);
    pub(in super::super::super) static OPERATE: Action = query("OperateApp", Effect::Mutation);
    pub(in super::super::super) static SEND_FILE: Action = query("SendFile", Effect::Mutation);
    pub(in super::super::super) static UPDATE_IMAGE: Action =
        query("UpdateInstanceImage", Effect::Mutation);
    pub(in super::super::super) static MODIFY: Action =
        query("ModifyAndroidInstance", Effect::Mutation);
    pub(in super::super::super) static START_ADB: Action =
        query("StartInstanceAdb", Effect::Mutation);
    pub(in super::super::super) static STOP_ADB: Action =
        query("StopInstanceAdb", Effect::Mutation);
}

/// An action with its parameters, as texts before encoding.
#[derive(Debug)]
pub(in super::super) struct Call {
    /// Which.
    pub(in super::super) action: &'static Action,
    /// In the URL.
    pub(in super::super) query: Vec<(String, String)>,
    /// In the body.
    pub(in super::super) form: Vec<(String, String)>,
}

impl Call {
    /// The action without parameters.
    pub(in super::super) fn of(action: &'static Action) -> Self {
        Self {
            action,
            query: Vec::new(),
            form: Vec::new(),
        }
    }

    /// With a parameter.
    pub(in super::super) fn with(mut self, name: &str, value: &(impl ToString + ?Sized)) -> Self {
        self.put(name, name.to_owned(), value.to_string());
        self
    }

    /// With a parameter, if it has a value.
    pub(in super::super) fn with_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With a list: `Name.1`, `Name.2`, ….
    pub(in super::super) fn with_all<'a>(
        mut self,
        name: &str,
        values: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        for (place, value) in values.into_iter().enumerate() {
            self.put(name, format!("{name}.{}", place + 1), value.to_owned());
        }
        self
    }

    fn put(&mut self, name: &str, written: String, value: String) {
        let place = if self.action.form.contains(&name) {
            &mut self.form
        } else {
            &mut self.query
        };
        place.push((written, value));
    }
}
