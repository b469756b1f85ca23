//! Rows about attributes that are read and written by the phone's own shell, for every vendor's capability table.
//!
//! Invariants: a row names the vendor's command call, which it is given; what a restart loses is said. Not here: commands (`write`, `read`), rows about a
//! vendor's own calls. Source: Android 10 to 14.

use crate::model::capability::{
    CallName, Capability, Cost, Costs, Pattern, ReadMethod, Stage, Write,
};
use crate::model::observed::ReadKind;

const fn row(pattern: Pattern, call: CallName, note: &'static str) -> Capability {
    Capability {
        pattern,
        read: ReadMethod::By(ReadKind::Shell),
        write: Write::Call(call),
        reset: None,
        costs: Costs::NONE,
        stage: Stage::Live,
        effective_after_restart: false,
        lost_by_restart: false,
        lost_by_wipe: true,
        note,
    }
}

/// The time zone, set in the alarm service.
pub const fn timezone(call: CallName) -> Capability {
    row(
        Pattern::Timezone,
        call,
        "by shell: cmd alarm set-timezone, and where several commands fit auto_time_zone off; read from persist.sys.timezone",
    )
}

/// The language by property, taken up by a restart of the framework: where several commands fit in one script.
pub const fn language(call: CallName) -> Capability {
    Capability {
        costs: Costs::of(&[Cost::Restart]),
        stage: Stage::RestartProperties,
        effective_after_restart: true,
        ..row(
            Pattern::Language,
            call,
            "by shell: persist.sys.locale and a restart of the Android framework; needs a shell with root or system rights",
        )
    }
}

/// The language through the activity manager, live: where only one plain command fits.
pub const fn language_live(call: CallName) -> Capability {
    row(
        Pattern::Language,
        call,
        "by shell: am update-config --locale, which the vendor's images have; read from persist.sys.locale",
    )
}

/// Android's own HTTP proxy.
pub const fn http_proxy(call: CallName) -> Capability {
    Capability {
        reset: Some(call),
        ..row(
            Pattern::Proxy,
            call,
            "by shell: settings put global http_proxy, so protocol http without user name, password or bypass; apps may ignore it",
        )
    }
}

/// Properties that a restart keeps: `persist.*`.
pub const fn persistent(call: CallName) -> Capability {
    row(
        Pattern::Property("persist."),
        call,
        "by shell: setprop, at most 91 bytes; needs a shell with root or system rights; what uses a value may take it up only after a restart",
    )
}

/// Properties that `setprop` writes and a restart loses: all others but `ro.*`, whose row must stand before.
pub const fn volatile(call: CallName) -> Capability {
    Capability {
        lost_by_restart: true,
        ..row(
            Pattern::Property(""),
            call,
            "by shell: setprop, at most 91 bytes; lost by a restart; all but debug. and log. need a shell with root or system rights",
        )
    }
}

/// Properties of the image: `ro.*`, readable only.
pub const fn read_only() -> Capability {
    Capability {
        write: Write::No,
        lost_by_wipe: false,
        ..row(
            Pattern::Property("ro."),
            "",
            "read with getprop; it stands in the image, and no command writes it",
        )
    }
}

/// Android settings, whose names begin with `global/`, `secure/` or `system/`; others are refused.
pub const fn settings(call: CallName) -> Capability {
    Capability {
        reset: Some(call),
        ..row(
            Pattern::Setting(""),
            call,
            "by shell: settings put/delete/get in global, secure and system; success is judged by reading back",
        )
    }
}

/// Apps, with their versions, from the package manager's lists; written by the calls that are given.
pub const fn app(
    catalogue: Option<CallName>,
    url: Option<CallName>,
    remove: Option<CallName>,
) -> Capability {
    Capability {
        write: Write::App {
            catalogue,
            url,
            described: None,
            remove,
            remove_known: None,
        },
        stage: Stage::Apps,
        ..row(
            Pattern::App,
            "",
            "read by shell: pm list packages with version codes, and dumpsys package for version names",
        )
    }
}

/// An app running or stopped.
pub const fn running(call: CallName) -> Capability {
    Capability {
        write: Write::Switch {
            on: call,
            off: call,
            known: None,
        },
        stage: Stage::AppState,
        lost_by_restart: true,
        ..row(
            Pattern::Running,
            call,
            "by shell: started with monkey, stopped with am force-stop, read with pidof",
        )
    }
}

/// The position, through a test provider: where several commands fit in one script. It cannot be read back.
pub const fn location(call: CallName) -> Capability {
    Capability {
        read: ReadMethod::Never,
        reset: Some(call),
        lost_by_restart: true,
        ..row(
            Pattern::Location,
            call,
            "by shell: a test provider for gps, Android 12 and later; latitude, longitude and accuracy only; cannot be read back; lost by a restart",
        )
    }
}
