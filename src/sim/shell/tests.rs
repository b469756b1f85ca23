//! The shell by itself, and the shell driver through it (`driver`).

mod driver;

use super::*;
use crate::model::stamp::Timestamp;
use crate::sim::{Simulator, Spec};

fn world() -> Simulator {
    let spec = Spec {
        phones: 1,
        ..Spec::default()
    };
    Simulator::new(spec, Timestamp(0))
}

fn phone() -> Phone {
    world().phone("AC32010000001").unwrap()
}

fn offers() -> Vec<Offer> {
    world().change(|world| world.offers().to_vec())
}

/// A script without anything on the network.
fn script(text: &str) -> Script {
    Script::new(text, &[])
}

fn on(phone: &mut Phone, script: &str) -> String {
    run(phone, &Script::new(script, &offers())).all
}

fn sh(script: &str) -> String {
    on(&mut phone(), script)
}

#[test]
fn commands_follow_each_other_as_in_a_shell() {
    assert_eq!(sh("echo a; echo b"), "a\nb\n");
    assert_eq!(sh("false && echo a; echo b"), "b\n");
    assert_eq!(sh("false || echo a"), "a\n");
    assert_eq!(sh("echo 'a; b'\\''c' \"d  e\""), "a; b'c d  e\n");
    assert_eq!(
        sh("nothing; echo RC=$?"),
        "/system/bin/sh: nothing: inaccessible or not found\nRC=127\n"
    );
    assert_eq!(sh("nothing 2>/dev/null || echo no"), "no\n");
    assert_eq!(sh("echo -n a; echo b >/dev/null; printf '%s\\n' c"), "ac\n");
    assert!(sh("echo 'open").contains("syntax error"));
}

#[test]
fn pipes_filter() {
    assert_eq!(sh("printf 'a\\nb\\nb\\n' | grep -m 1 b"), "b\n");
    assert_eq!(sh("printf 'a\\nb\\nc\\n' | head -n 2 | tail -1"), "b\n");
    assert_eq!(sh("echo x | grep -q y || echo none"), "none\n");
    assert_eq!(sh("false && echo x | grep x; echo end"), "end\n");
    assert_eq!(sh("printf 'Ab\\ncd\\n' | grep -iv ^a"), "cd\n");
    assert_eq!(sh("nothing 2>&1 | grep -q found && echo said"), "said\n");
}

#[test]
fn output_errors_and_status_are_told_apart() {
    let ran = run(&mut phone(), &Script::new("echo a; nothing", &[]));
    assert_eq!((ran.output.as_str(), ran.status), ("a\n", 127));
    assert!(ran.error.contains("nothing: inaccessible or not found"));
    assert_eq!(ran.all, ran.output + &ran.error);
}

#[test]
fn shells_within_shells_run_the_same_commands() {
    assert_eq!(sh("sh -c 'echo a; echo b' | grep b"), "b\n");
    assert_eq!(
        sh("docker exec -i phone1 sh -c 'getprop persist.sys.timezone'"),
        "Asia/Shanghai\n"
    );
    assert_eq!(
        sh("adb -s emulator-5554 shell getprop sys.boot_completed"),
        "1\n"
    );
    assert!(script("docker exec phone1 sh -c 'setprop a 1'").mutates);
    assert!(!script("docker exec phone1 sh -c 'getprop a'").mutates);
    let nested = (0..9).fold("echo deep".to_owned(), |inner, _| {
        quoted(&["sh", "-c", &inner])
    });
    assert!(sh(&nested).contains("too many shells"));
}

#[test]
fn properties_are_read_and_set() {
    let mut phone = phone();
    assert_eq!(
        on(&mut phone, "getprop persist.sys.timezone"),
        "Asia/Shanghai\n"
    );
    on(
        &mut phone,
        "setprop persist.sys.timezone 'Europe/Berlin'; setprop debug.x 1; setprop persist.x 2",
    );
    assert_eq!(phone.timezone, "Europe/Berlin");
    assert_eq!(on(&mut phone, "getprop debug.x; getprop none"), "1\n\n");
    assert!(on(&mut phone, "getprop").contains("[persist.sys.timezone]: [Europe/Berlin]\n"));
    phone.reboot();
    assert_eq!(
        on(&mut phone, "getprop debug.x; getprop persist.x"),
        "\n2\n"
    );
}

#[test]
fn what_setprop_cannot_set_it_says() {
    let refused = |script: &str| sh(script).contains("Failed to set property");
    assert!(refused("setprop ro.product.model x"));
    assert!(refused(&format!("setprop a {}", "x".repeat(92))));
    assert!(!refused(&format!("setprop a {}", "x".repeat(91))));
    assert!(sh("setprop a -1").contains("Unknown option"));
    assert_eq!(sh("setprop -- a -1; getprop a"), "-1\n");
}

#[test]
fn a_language_set_as_a_property_waits_for_a_restart() {
    let mut phone = phone();
    on(&mut phone, "setprop persist.sys.locale fr-FR");
    assert_eq!(phone.language, "zh-CN");
    assert_eq!(on(&mut phone, "getprop persist.sys.locale"), "fr-FR\n");
    on(
        &mut phone,
        "monkey -p com.android.settings 1; setprop ctl.restart zygote",
    );
    assert_eq!(phone.language, "fr-FR");
    assert_eq!(phone.running, Vec::<SmolStr>::new());
    on(
        &mut phone,
        "setprop persist.sys.locale de-DE; am update-config --locale ja-JP",
    );
    assert_eq!(phone.language, "ja-JP");
    assert_eq!(on(&mut phone, "getprop persist.sys.locale"), "ja-JP\n");
    phone.reboot();
    assert_eq!(phone.language, "ja-JP");
}

#[test]
fn what_comes_after_a_reboot_is_not_run() {
    let mut phone = phone();
    assert_eq!(on(&mut phone, "echo a; reboot; echo b"), "a\n");
    assert_eq!(phone.boots, 2);
    on(&mut phone, "svc power reboot; setprop debug.x 1");
    assert_eq!((phone.boots, phone.property("debug.x")), (3, None));
}

#[test]
fn settings_are_put_listed_and_deleted() {
    let mut phone = phone();
    assert_eq!(on(&mut phone, "settings get global zen"), "null\n");
    on(&mut phone, "settings put global zen 'a b'");
    assert_eq!(on(&mut phone, "settings get global zen"), "a b\n");
    assert_eq!(
        on(&mut phone, "settings list global"),
        "adb_enabled=0\nauto_time_zone=1\nzen=a b\n"
    );
    assert_eq!(
        on(&mut phone, "settings delete global zen"),
        "Deleted 1 rows\n"
    );
    assert_eq!(on(&mut phone, "settings get global zen"), "null\n");
    assert!(on(&mut phone, "settings get elsewhere x").contains("Invalid namespace"));
}

#[test]
fn packages_are_listed_stopped_and_removed() {
    let mut phone = phone();
    assert!(on(&mut phone, "pm list packages -s").contains("package:com.android.settings\n"));
    assert!(on(&mut phone, "pm list packages --show-versioncode").contains("versionCode:"));
    assert!(!on(&mut phone, "pm list packages -3").contains("com.android."));
    assert_eq!(
        on(
            &mut phone,
            "pm list packages -f -i -3 --show-versioncode bad.game"
        ),
        "package:/data/app/com.bad.game/base.apk=com.bad.game versionCode:300  installer=null\n"
    );
    assert!(on(&mut phone, "pm uninstall com.none").starts_with("Failure ["));
    assert!(on(&mut phone, "pm uninstall com.android.settings").starts_with("Failure ["));
    assert!(
        on(
            &mut phone,
            "monkey -p com.android.settings -c android.intent.category.LAUNCHER 1 >/dev/null; pidof com.android.settings"
        )
        .trim()
        .parse::<u32>()
        .is_ok()
    );
    assert_eq!(
        on(
            &mut phone,
            "am force-stop com.android.settings; pidof com.android.settings"
        ),
        ""
    );
    assert_eq!(
        on(&mut phone, "pm uninstall -k --user 0 com.android.settings"),
        "Success\n"
    );
    assert_eq!(on(&mut phone, "pm path com.android.settings"), "");
}

#[test]
fn a_package_is_fetched_and_installed() {
    let mut phone = phone();
    let file = "/data/local/tmp/a.apk";
    let fetch = |version: &str, file: &str| {
        format!("curl -fsSLg -o {file} 'https://apps.example/com.example.maps-{version}.apk'")
    };
    let install = |script: &str| format!("{script} && pm install -r {file}");
    assert_eq!(on(&mut phone, &install(&fetch("1.4.2", file))), "Success\n");
    assert_eq!(phone.app("com.example.maps").unwrap().version_code, 142);
    assert!(on(&mut phone, &install(&fetch("1.3.0", file))).contains("VERSION_DOWNGRADE"));
    assert_eq!(
        on(
            &mut phone,
            &format!("pm install -d {file}; rm {file}; ls {file}")
        ),
        format!("Success\nls: {file}: No such file or directory\n")
    );
    assert_eq!(phone.app("com.example.maps").unwrap().version_code, 130);
    assert!(on(&mut phone, &install(&fetch("9.9", file))).contains("404"));
    assert!(on(&mut phone, &format!("pm install {file}")).contains("Unable to open file"));
    on(&mut phone, &fetch("1.4.2", "/sdcard/a.apk"));
    assert!(on(&mut phone, "pm install /sdcard/a.apk").contains("Unable to open file"));
}

#[test]
fn positions_need_a_test_provider_and_the_right_to_have_one() {
    let mut phone = phone();
    let set = "cmd location providers set-test-provider-location gps --location 1.5,-2.25";
    assert!(on(&mut phone, set).contains("SecurityException"));
    on(
        &mut phone,
        "appops set com.android.shell android:mock_location allow",
    );
    assert!(on(&mut phone, set).contains("not a test provider"));
    on(&mut phone, "cmd location providers add-test-provider gps");
    assert_eq!(on(&mut phone, set), "");
    assert_eq!(
        on(&mut phone, "dumpsys location"),
        "last location=Location[gps 1.500000,-2.250000]\n"
    );
    phone.reboot();
    assert_eq!(phone.location, None);
}

#[test]
fn screens_and_radios_are_switched() {
    let mut phone = phone();
    assert_eq!(
        on(
            &mut phone,
            "wm size 720x1280; wm size; wm size reset; wm size; wm density"
        ),
        "Physical size: 1080x1920\nOverride size: 720x1280\nPhysical size: 1080x1920\nPhysical density: 320\n"
    );
    assert_eq!(
        on(
            &mut phone,
            "svc wifi disable; settings get global wifi_on; cmd wifi status"
        ),
        "0\nWifi is disabled\n"
    );
    assert_eq!(
        on(&mut phone, "id -u; command -v curl; command -v wget"),
        "0\n/system/bin/curl\n"
    );
}

#[test]
fn scripts_that_only_read_are_known() {
    let reads = script(
        "echo M; getprop a.b; settings get global x; pm list packages -3 || echo failed; dumpsys package x | grep -m 1 v; wm size; echo RC=$?",
    );
    assert!(!reads.mutates);
    for text in [
        "setprop a 1",
        "settings put global a 1",
        "echo a; am force-stop b",
        "getprop a | sh -c 'setprop a 1'",
        "reboot",
    ] {
        assert!(script(text).mutates, "{text}");
    }
}

#[test]
fn scripts_that_restart_or_move_apps_are_known() {
    for text in [
        "reboot",
        "echo; setprop ctl.restart zygote",
        "stop; start",
        "svc power reboot",
    ] {
        assert!(script(text).restarts, "{text}");
    }
    assert!(!script("getprop reboot; echo reboot; am start -n a/b").restarts);
    assert!(script("echo a && pm install -r x").moves_apps);
    assert!(!script("pm list packages").moves_apps);
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_it(text in "[a-z'\"\\\\;&|$?><\n #-]{0,40}") {
        sh(&text);
    }

    #[test]
    fn no_command_breaks_it(words in proptest::collection::vec("(setprop|settings|put|get|list|global|pm|install|uninstall|packages|cmd|location|providers|am|start|wm|size|curl|-o|-n|-m|grep|head|[|]|;|x|--|-1|sh|-c)", 0..9)) {
        sh(&words.join(" "));
    }
}
