//! Why something waits, and who must act: the closed list of reasons.
//!
//! Invariants: every reason has one actor; texts are for people, names are stable. Not here: when a reason holds (`plan`, `controller`).

use serde::{Deserialize, Serialize};
use std::fmt;

/// Who must act before a waiting change can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Actor {
    /// Nobody: it passes by itself.
    Time,
    /// The provider, or the phone coming back.
    Vendor,
    /// A person on our side.
    Operator,
}

macro_rules! reasons {
    ($($(#[doc = $meaning:literal])+ $name:ident => $actor:ident, $next:literal;)*) => {
        /// Why a change waits.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason { $($(#[doc = $meaning])+ $name,)* }

        impl Reason {
            /// All reasons, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Stable name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// Who must act.
            pub fn actor(self) -> Actor {
                match self { $(Self::$name => Actor::$actor,)* }
            }

            /// What it means, for people.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($meaning,)+).trim_ascii(),)* }
            }

            /// What to do about it, for people.
            pub fn next_step(self) -> &'static str {
                match self { $(Self::$name => $next,)* }
            }
        }
    };
}

reasons! {
    /// A request was sent and its outcome is not known yet.
    Settling => Time, "nothing; it is decided by reading back when the settle time is over";
    /// The last attempt failed; the next comes later.
    BackOff => Time, "nothing; `phonefleet explain` shows when the next attempt is due";
    /// The account's request budget is used up for now.
    Budget => Time, "nothing, or raise limits of the Account if the vendor grants more";
    /// Outside the window in which changes may start.
    Window => Time, "nothing, until the window opens";
    /// An earlier wave is not done.
    Wave => Time, "nothing, until the earlier wave is done";
    /// A job of ours is running on the phone.
    Polling => Time, "nothing; the job is polled to its end";
    /// Somebody uses the phone and the change costs something.
    InUse => Time, "nothing, or end the session on the phone";
    /// Somebody else's job runs on the phone.
    Busy => Vendor, "nothing; it is tried again when that job has ended";
    /// The phone is not ready (backing up, cloning, booting, installing).
    NotReady => Vendor, "nothing; it is tried again when the phone is ready";
    /// The phone restarts, resets or upgrades.
    Restarting => Vendor, "nothing; it is tried again when the phone is up";
    /// The phone runs but is not connected.
    Unreachable => Vendor, "look at the phone in the vendor's console if it lasts";
    /// The vendor reports the phone as abnormal.
    Abnormal => Vendor, "restart the phone in the vendor's console if it lasts";
    /// The vendor does not answer.
    VendorDown => Vendor, "nothing, or check endpoint and network with `phonefleet doctor`";
    /// The change costs something the group does not allow.
    CostNotAllowed => Operator, "add the cost to `allow` of the group, with `until` and `maxPhones`, or take the change back";
    /// The change was not in the plan that was approved.
    NotApproved => Operator, "run `phonefleet apply` again and look at the new plan";
    /// A guard stopped it.
    Guard => Operator, "look at what the guard names";
    /// A costly request was sent, and nothing shows whether it happened.
    UnknownOutcome => Operator, "look at the phone, then `phonefleet resolve OPERATION --happened` or `--not-happened`";
    /// The value keeps being changed back by somebody else.
    Contested => Operator, "find who changes it, or list the attribute under `ignore`";
    /// The vendor reports success, but the value does not change.
    NoEffect => Operator, "list the attribute under `ignore` for this phone, or ask the vendor";
    /// The phone failed over and over; it is tried again ever more rarely.
    Quarantined => Operator, "look at the phone in the vendor's console";
    /// The phone is switched off.
    PoweredOff => Operator, "switch it on in the vendor's console, or exclude it from the group";
    /// Two complete listings do not show the phone.
    Absent => Operator, "correct the id, or remove the phone from the manifests";
    /// More than one group claims the phone.
    ClaimedTwice => Operator, "exclude the phone from all groups but one";
    /// The provider cannot do this, or has no such app or image.
    Unsupported => Operator, "see `phonefleet providers` for what it can do";
    /// The vendor rejects the credentials.
    CredentialsRejected => Operator, "correct the credentials; `phonefleet doctor` tests them";
    /// An operator holds the phone.
    Held => Operator, "nothing holds phones in this version";
    /// The group only reports (`mode: warn`).
    Paused => Operator, "set `mode: enforce` of the group when its differences are what you want changed";
    /// The group claims fewer or more phones than it expects.
    Expectation => Operator, "correct `phones` or `expect` of the group";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why there is a change at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// A commit changed what is wished.
    Intended,
    /// The phone is new to the group.
    NewMember,
    /// An override ended.
    OverrideExpired,
    /// A secret in the value was rotated.
    SecretRotated,
    /// The phone drifted from what was converged before.
    Corrective,
}

impl Cause {
    /// Whether costs beyond a live change may follow from it at all (within the group's allowance).
    pub fn is_intended(self) -> bool {
        !matches!(self, Self::Corrective)
    }
}
