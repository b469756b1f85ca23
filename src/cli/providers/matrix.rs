//! All providers beside each other: what a change of each kind costs there, and how it is read back.
//!
//! Invariants: every cell follows from the capability tables, asked with one sample wish of its kind. Not here: whole tables (`super`).

use crate::cli::output::{Format, table};
use crate::model::attribute::Attribute;
use crate::model::capability::{Capabilities, ReadMethod, Refuses};
use crate::model::fleet::AppSource;
use crate::model::id::Package;
use crate::model::observed::ReadKind;
use crate::model::value::{
    AppWish, Bandwidth, Bypass, Image, ImageTarget, Location, Proxy, ProxyEndpoint, ProxyMode,
    ProxyProtocol, SimField, Value, VersionWish, Wish,
};
use std::collections::BTreeMap;

/// What the cells mean.
pub(super) const LEGEND: &str = "what a change costs / how it is read back: api, shell (a command on the phone), never (remembered). `no`: cannot be changed, `-`: nothing of it";

/// One kind of wish.
struct Sample {
    name: &'static str,
    attribute: Attribute,
    wish: Wish,
    source: Option<AppSource>,
}

/// The table of all of them.
pub(super) fn matrix(all: &[&'static Capabilities], format: Format) -> String {
    let names = all.iter().map(|table| table.provider.as_str());
    let headings: Vec<&str> = std::iter::once("wish").chain(names).collect();
    let rows: Vec<Vec<String>> = samples()
        .iter()
        .map(|sample| {
            let cells = all.iter().map(|capabilities| cell(capabilities, sample));
            std::iter::once(sample.name.to_owned())
                .chain(cells)
                .collect()
        })
        .collect();
    table(format, &headings, &rows)
}

fn cell(capabilities: &Capabilities, sample: &Sample) -> String {
    let Sample {
        name: _,
        attribute,
        wish,
        source,
    } = sample;
    let none = || "-".to_owned();
    let Some(row) = capabilities.of(attribute) else {
        return none();
    };
    let route = capabilities.route(attribute, wish, source.as_ref());
    let read = match row.read {
        ReadMethod::Never => "never",
        ReadMethod::By(ReadKind::Shell) => "shell",
        ReadMethod::By(
            ReadKind::Listing
            | ReadKind::Usage
            | ReadKind::Properties
            | ReadKind::Apps
            | ReadKind::AppCatalogue
            | ReadKind::ImageCatalogue,
        ) => "api",
    };
    let Refuses(refuses) = capabilities.refuses;
    match route {
        Some(_) if refuses(attribute, wish, source.as_ref()).is_some() => none(),
        Some(_) => format!("{} / {read}", row.costs),
        None if row.read == ReadMethod::Never || source.is_some() => none(),
        None => format!("no / {read}"),
    }
}

fn samples() -> Vec<Sample> {
    let sample = |name, attribute: &str, value| Sample {
        name,
        attribute: attribute.parse().unwrap_or(Attribute::Image),
        wish: Wish::Set(value),
        source: None,
    };
    let text = |name, attribute, value: &str| sample(name, attribute, Value::Text(value.into()));
    let (plain, full) = proxies();
    let mut samples = vec![
        sample("image", "image", image()),
        text("timezone", "timezone", "Asia/Tokyo"),
        text("language", "language", "ja-JP"),
        sample("location", "location", location()),
        sample("proxy: HTTP", "proxy", plain),
        sample("proxy: SOCKS5, user name, password", "proxy", full),
        text("sim: country", "sim-country", "SG"),
        sample("sim: single fields", "sim", sim()),
        text(
            "property ro.product.model",
            "property/ro.product.model",
            "Pixel 8",
        ),
        text("property persist.*", "property/persist.sys.x", "1"),
        text("other properties", "property/debug.x", "1"),
        text("property modem/*", "property/modem/IMEI", "490154203237518"),
        text("settings", "setting/global/x", "1"),
    ];
    samples.extend(apps());
    samples.extend([
        sample(
            "app running or stopped",
            "running/com.example.maps",
            Value::Flag(true),
        ),
        sample(
            "bandwidth",
            "bandwidth",
            Value::Bandwidth(Bandwidth {
                up_mbps: 1,
                down_mbps: 1,
            }),
        ),
        sample("adb", "adb", Value::Flag(true)),
    ]);
    samples
}

fn apps() -> [Sample; 3] {
    let maps = |name, wish, source| Sample {
        name,
        attribute: Attribute::App(Package::new("com.example.maps")),
        wish: Wish::Set(Value::App(wish)),
        source,
    };
    let present = || AppWish::Present {
        app: Some("maps".into()),
        version: VersionWish::Any,
    };
    let catalogue = AppSource::Catalogue {
        account: "account".into(),
        app_id: "1".into(),
    };
    let url = AppSource::Url {
        url: "https://apps.example/maps.apk".into(),
        md5: Some("0123456789abcdef0123456789abcdef".into()),
        size_mb: Some(12),
        version: Some("1.4.2".into()),
        version_code: None,
    };
    [
        maps("app in, from the catalogue", present(), Some(catalogue)),
        maps("app in, by url", present(), Some(url)),
        maps("app out", AppWish::Absent, None),
    ]
}

fn image() -> Value {
    Value::Image(Image {
        target: ImageTarget::Id("1".into()),
        wipe_data: false,
    })
}

fn location() -> Value {
    Value::Location(Box::new(Location {
        latitude: "1.3521".into(),
        longitude: "103.8198".into(),
        altitude: None,
        speed: None,
        bearing: None,
        horizontal_accuracy: None,
    }))
}

fn sim() -> Value {
    let imei = (SimField::Imei, "490154203237518".into());
    Value::Sim(BTreeMap::from([imei]))
}

/// One that every phone can have by itself, and one that only a vendor's own call makes.
fn proxies() -> (Value, Value) {
    let plain = ProxyEndpoint {
        mode: ProxyMode::Proxy,
        protocol: ProxyProtocol::Http,
        host: "proxy.example.net".into(),
        port: 3128,
        username: None,
        password: None,
        bypass: Bypass::default(),
    };
    let full = ProxyEndpoint {
        protocol: ProxyProtocol::Socks5,
        username: Some("user".into()),
        ..plain.clone()
    };
    let value = |endpoint| Value::Proxy(Box::new(Proxy::Via(endpoint)));
    (value(plain), value(full))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fleet::ProviderKind;
    use crate::provider::registry;

    #[test]
    fn every_sample_is_of_its_own_kind() {
        for sample in samples() {
            assert!(
                sample.attribute != Attribute::Image || sample.name == "image",
                "{}",
                sample.name
            );
        }
    }

    /// One that differs is mended with `phonefleet providers --output markdown`.
    #[test]
    fn the_readme_has_this_table() {
        let all: Vec<_> = ProviderKind::ALL
            .into_iter()
            .filter_map(registry::capabilities)
            .collect();
        let table = matrix(&all, Format::Markdown);
        let readme = include_str!("../../../README.md");
        for line in table.lines() {
            assert!(readme.contains(line), "README.md lacks: {line}");
        }
    }

    #[test]
    fn cells_say_cost_and_read_back() {
        let armcloud = registry::capabilities(ProviderKind::ArmCloud).unwrap();
        let cells: BTreeMap<&str, String> = samples()
            .iter()
            .map(|sample| (sample.name, cell(armcloud, sample)))
            .collect();
        assert_eq!(cells["timezone"], "live / api");
        assert_eq!(cells["proxy: SOCKS5, user name, password"], "live / never");
        assert_eq!(cells["sim: country"], "restart+newIdentity / never");
        assert_eq!(cells["settings"], "live / shell");
        let sister = registry::capabilities(ProviderKind::VsPhone).unwrap();
        let of = |name: &str| {
            let sample = samples().into_iter().find(|sample| sample.name == name);
            cell(sister, &sample.unwrap())
        };
        assert_eq!(of("bandwidth"), "-");
        assert_eq!(of("sim: single fields"), "no / api");
        assert_eq!(of("app in, from the catalogue"), "-");
    }
}
