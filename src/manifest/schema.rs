//! The JSON schema (draft-07) of manifests, for editors and for checks outside this program.
//!
//! Invariants: what loading refuses for its shape (unknown keys, types, missing fields, words of a fixed set, blank values), the schema refuses too; variables
//! are allowed wherever values are. Not here: what needs more than one document, a capability table or a check digit (`check`, `wishes`, `value`).

#![expect(
    clippy::needless_pass_by_value,
    reason = "schemas are built once and put into each other"
)]

use super::account::PROVIDERS;
use super::document::{API_VERSION, KINDS};
use super::group::COSTS;
use super::layer::SIM_FIELDS;
use serde_json::{Map, Value, json};

/// The schema of one manifest document.
pub fn schema() -> Value {
    let kinds: Vec<&str> = KINDS.iter().map(|(word, _)| *word).collect();
    let specs: Vec<Value> = kinds
        .iter()
        .map(|kind| {
            json!({
                "if": { "properties": { "kind": { "const": kind } }, "required": ["kind"] },
                "then": { "properties": { "spec": reference(&kind.to_ascii_lowercase()) } },
            })
        })
        .collect();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "phonefleet manifest",
        "description": "One document of a phonefleet manifest. Variables $(vars.NAME), $(labels.NAME) and $(phone.id) may stand in any desired value and in profile names.",
        "type": "object",
        "properties": {
            "apiVersion": { "const": API_VERSION },
            "kind": { "enum": kinds, "description": "What the document declares." },
            "metadata": reference("metadata"),
            "spec": { "type": "object" },
        },
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": false,
        "allOf": specs,
        "definitions": definitions(),
    })
}

fn definitions() -> Value {
    let mut all = Map::new();
    let mut define = |name: &str, schema: Value| all.insert(name.to_owned(), schema);
    define("text", text());
    define(
        "anyText",
        json!({ "type": ["string", "number", "boolean"] }),
    );
    define(
        "variable",
        json!({ "type": "string", "pattern": "\\$\\((vars\\..+|labels\\..+|phone\\.id)\\)" }),
    );
    define(
        "name",
        described(
            "Lower-case letters, digits and hyphens, at most 63.",
            json!({ "type": ["string", "number", "boolean"], "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$" }),
        ),
    );
    define(
        "metadata",
        object(
            &[
                ("name", reference("name")),
                ("labels", map_of(reference("text"))),
                ("annotations", map_of(reference("text"))),
            ],
            &["name"],
        ),
    );
    define("secret", secret());
    define("moment", moment());
    define("account", account());
    define("app", app());
    define("inventory", inventory());
    define("profile", object(&layer(), &[]));
    define("group", group());
    define("phones", phones());
    define("override", one_override());
    define(
        "attributes",
        list_of(described(
            "An attribute: timezone, sim, app/PACKAGE, property/NAME, setting/NAMESPACE/NAME, …",
            reference("text"),
        )),
    );
    define(
        "version",
        either(
            "version name, compared by its dot-separated numbers",
            reference("text"),
        ),
    );
    define("versionCode", either("version code", number(0, None)));
    define("desired", desired());
    define("proxy", proxy());
    define("sim", sim());
    define("appWish", app_wish());
    Value::Object(all)
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/definitions/{name}") })
}

fn described(description: &str, mut schema: Value) -> Value {
    if schema.get("$ref").is_some() {
        // Draft-07 ignores what stands beside a $ref.
        schema = json!({ "allOf": [schema] });
    }
    schema["description"] = Value::from(description);
    schema
}

/// Any scalar but null and blank: it is taken as it was typed.
fn text() -> Value {
    json!({ "type": ["string", "number", "boolean"], "pattern": "\\S" })
}

fn number(least: u64, most: Option<u64>) -> Value {
    let mut schema = json!({ "type": "integer", "minimum": least });
    if let Some(most) = most {
        schema["maximum"] = Value::from(most);
    }
    schema
}

fn variable_or(schema: Value) -> Value {
    json!({ "anyOf": [schema, reference("variable")] })
}

fn list_of(item: Value) -> Value {
    json!({ "type": "array", "items": item })
}

fn filled_list_of(item: Value) -> Value {
    json!({ "type": "array", "items": item, "minItems": 1 })
}

fn map_of(value: Value) -> Value {
    json!({ "type": "object", "additionalProperties": value })
}

fn words<'a>(words: impl Iterator<Item = &'a str>) -> Value {
    json!({ "enum": words.collect::<Vec<_>>() })
}

fn object(properties: &[(&str, Value)], required: &[&str]) -> Value {
    let properties: Map<String, Value> = properties
        .iter()
        .map(|(name, schema)| ((*name).to_owned(), schema.clone()))
        .collect();
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn secret() -> Value {
    let one = |name: &str| object(&[(name, reference("text"))], &[name]);
    let csv = object(
        &[
            ("csv", reference("text")),
            ("key", reference("text")),
            ("column", reference("text")),
        ],
        &["csv", "key", "column"],
    );
    described(
        "A reference to a secret: { env: NAME }, { credential: NAME }, { file: PATH } or { csv: PATH, key: KEY, column: NAME }. Never the secret itself.",
        json!({ "oneOf": [one("env"), one("credential"), one("file"), csv] }),
    )
}

fn moment() -> Value {
    described(
        "A moment with its offset from UTC, such as 2027-01-31T18:00+08:00.",
        json!({
            "type": "string",
            "pattern": "^\\d{4}-\\d{2}-\\d{2}[Tt ]\\d{2}.*([Zz]|[+-]\\d{2}(:?\\d{2})?)(\\[.+\\])?$",
        }),
    )
}

fn account() -> Value {
    let count = || number(1, Some(1_000_000));
    let limits = object(
        &[
            ("requestsPerSecond", count()),
            ("requestsPerMinute", count()),
            ("batchSize", described("Phones in one call.", count())),
            ("openJobs", described("Jobs open at once.", count())),
            ("pollInterval", described("Such as 5s.", reference("text"))),
        ],
        &[],
    );
    object(
        &[
            ("provider", words(PROVIDERS.iter().map(|(word, _)| *word))),
            (
                "endpoint",
                described("Base URL; each provider has a default.", reference("text")),
            ),
            ("credentials", map_of(reference("secret"))),
            ("limits", described("Limits to lower.", limits)),
            (
                "options",
                described("What only this provider has.", map_of(reference("text"))),
            ),
        ],
        &["provider", "credentials"],
    )
}

fn either(description: &str, bound: Value) -> Value {
    let one = |word: &str| object(&[(word, bound.clone())], &[word]);
    described(
        description,
        json!({ "oneOf": [one("exact"), one("atLeast")] }),
    )
}

/// An object in which at most one of two keys stands.
fn not_both(mut schema: Value, one: &str, other: &str) -> Value {
    schema["not"] = json!({ "required": [one, other] });
    schema
}

fn app() -> Value {
    let catalogue = object(
        &[("account", reference("text")), ("appId", reference("text"))],
        &["account", "appId"],
    );
    let md5 = json!({ "type": ["string", "number"], "pattern": "^[0-9A-Fa-f]{32}$" });
    let url = object(
        &[
            (
                "url",
                json!({ "type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://" }),
            ),
            ("md5", md5),
            (
                "sizeMb",
                described(
                    "Size of the file in megabytes, rounded up; KooPhone wants it.",
                    number(1, Some(100_000)),
                ),
            ),
            (
                "versionName",
                described(
                    "The version name in the file, where `version` does not say it exactly.",
                    reference("text"),
                ),
            ),
            (
                "versionCode",
                described(
                    "The version code in the file. With md5, sizeMb and the version name, Alibaba takes the file into its catalogue.",
                    number(0, None),
                ),
            ),
        ],
        &["url"],
    );
    let schema = object(
        &[
            (
                "package",
                described("The Android package.", reference("text")),
            ),
            ("version", reference("version")),
            ("versionCode", reference("versionCode")),
            (
                "sources",
                described(
                    "The first that fits the phone's account.",
                    filled_list_of(json!({ "oneOf": [catalogue, url] })),
                ),
            ),
        ],
        &["package", "sources"],
    );
    not_both(schema, "version", "versionCode")
}

fn inventory() -> Value {
    object(
        &[
            (
                "csv",
                described("Path, from this file's folder.", reference("text")),
            ),
            (
                "id",
                described("Column of the phone's id.", reference("text")),
            ),
            (
                "account",
                described("Column of the Account's name.", reference("text")),
            ),
            (
                "name",
                described("Column of the human name.", reference("text")),
            ),
            (
                "labels",
                described(
                    "Columns that are labels; the others are variables.",
                    list_of(reference("text")),
                ),
            ),
        ],
        &["csv", "id"],
    )
}

fn layer() -> Vec<(&'static str, Value)> {
    vec![
        ("desired", reference("desired")),
        (
            "reset",
            described(
                "Put back to the provider's default.",
                reference("attributes"),
            ),
        ),
        (
            "ignore",
            described("Not managed here.", reference("attributes")),
        ),
    ]
}

fn phones() -> Value {
    let texts = || filled_list_of(reference("text"));
    let value = json!({ "anyOf": [reference("text"), list_of(reference("text"))] });
    let bound = || number(0, Some(u64::from(u32::MAX)));
    let mut expect = object(&[("min", bound()), ("max", bound())], &[]);
    expect["minProperties"] = Value::from(1);
    let mut schema = object(
        &[
            ("accounts", texts()),
            (
                "providerGroups",
                described("What the vendor calls a group.", texts()),
            ),
            ("idPatterns", texts()),
            ("ids", described("Ids, or account/id.", texts())),
            (
                "select",
                described("Labels from Inventories.", map_of(value)),
            ),
            ("exclude", texts()),
            (
                "expect",
                described("Outside of these bounds nothing is done.", expect),
            ),
        ],
        &[],
    );
    let conditions = ["accounts", "providerGroups", "idPatterns", "ids", "select"];
    let any: Vec<Value> = conditions
        .iter()
        .map(|key| json!({ "required": [key] }))
        .collect();
    schema["anyOf"] = Value::from(any);
    described("All given conditions must hold.", schema)
}

fn one_override() -> Value {
    let mut fields = layer();
    fields.push(("phones", list_of(reference("text"))));
    fields.push(("reason", reference("text")));
    fields.push(("until", reference("moment")));
    let mut schema = object(&fields, &["phones", "reason"]);
    schema["anyOf"] = json!([
        { "required": ["desired"] }, { "required": ["reset"] }, { "required": ["ignore"] },
    ]);
    schema
}

fn group() -> Value {
    let costs = || words(COSTS.iter().map(|(word, _)| *word));
    let allowance = object(
        &[
            ("cost", costs()),
            ("until", reference("moment")),
            ("maxPhones", number(1, Some(u64::from(u32::MAX)))),
        ],
        &["cost"],
    );
    let mut fields = layer();
    fields.extend([
        ("phones", reference("phones")),
        (
            "profiles",
            described("Later wins.", list_of(reference("text"))),
        ),
        ("overrides", list_of(reference("override"))),
        ("mode", words(["observe", "warn", "enforce"].into_iter())),
        (
            "unsupported",
            described(
                "What happens to wishes that a phone's provider cannot fulfil: a mistake (error), or left out there (skip).",
                words(["error", "skip"].into_iter()),
            ),
        ),
        (
            "allow",
            described(
                "Costs that changes may have; default none.",
                list_of(json!({ "anyOf": [costs(), allowance] })),
            ),
        ),
    ]);
    object(&fields, &["phones"])
}

fn desired() -> Value {
    let flag = || variable_or(json!({ "type": "boolean" }));
    let free = || map_of(reference("anyText"));
    let mut settings = free();
    settings["propertyNames"] = json!({ "pattern": "^(global|secure|system)/." });
    let mut apps = map_of(reference("appWish"));
    apps["propertyNames"] =
        json!({ "pattern": "^[A-Za-z][A-Za-z0-9_]*(\\.[A-Za-z][A-Za-z0-9_]*)+$|^android$" });
    let mut image = object(
        &[
            ("id", reference("text")),
            ("version", reference("text")),
            (
                "wipeData",
                described("Whether the upgrade may erase the phone.", flag()),
            ),
        ],
        &["wipeData"],
    );
    image["oneOf"] = json!([{ "required": ["id"] }, { "required": ["version"] }]);
    let decimal = || {
        variable_or(
            json!({ "type": ["number", "string"], "pattern": "^\\s*[-+]?[0-9]*\\.?[0-9]*\\s*$|\\$\\(" }),
        )
    };
    let location = object(
        &[
            ("latitude", decimal()),
            ("longitude", decimal()),
            ("altitude", decimal()),
            ("speed", decimal()),
            ("bearing", decimal()),
            ("horizontalAccuracy", decimal()),
        ],
        &["latitude", "longitude"],
    );
    let mbps = || variable_or(number(0, Some(1_000_000)));
    let bandwidth = object(
        &[("upMbps", mbps()), ("downMbps", mbps())],
        &["upMbps", "downMbps"],
    );
    object(
        &[
            ("image", image),
            (
                "timezone",
                described("IANA zone, such as Asia/Singapore.", reference("text")),
            ),
            (
                "language",
                described("BCP 47 tag, such as en-SG.", reference("text")),
            ),
            ("location", location),
            ("proxy", reference("proxy")),
            ("sim", reference("sim")),
            ("properties", free()),
            ("settings", settings),
            ("apps", apps),
            (
                "appPolicy",
                variable_or(words(["additive", "exclusive"].into_iter())),
            ),
            ("bandwidth", described("Mbit/s, 0 is no limit.", bandwidth)),
            ("adb", flag()),
        ],
        &[],
    )
}

fn proxy() -> Value {
    let list = || list_of(reference("text"));
    let bypass = object(
        &[("packages", list()), ("ips", list()), ("domains", list())],
        &[],
    );
    let mut via = object(
        &[
            ("mode", variable_or(words(["proxy", "vpn"].into_iter()))),
            (
                "protocol",
                variable_or(words(["socks5", "http"].into_iter())),
            ),
            ("host", reference("text")),
            ("port", variable_or(number(1, Some(65_535)))),
            ("username", reference("text")),
            ("password", reference("secret")),
            ("bypass", bypass),
        ],
        &["protocol", "host", "port"],
    );
    via["dependencies"] = json!({ "password": ["username"] });
    json!({ "anyOf": [{ "const": "direct" }, via, reference("variable")] })
}

fn sim() -> Value {
    let (cell, plain): (Vec<_>, Vec<_>) = SIM_FIELDS
        .iter()
        .map(|(name, _)| *name)
        .partition(|name| name.starts_with("cell."));
    let cell: Vec<(&str, Value)> = cell
        .iter()
        .filter_map(|name| name.strip_prefix("cell."))
        .map(|name| (name, reference("text")))
        .collect();
    let mut fields: Vec<(&str, Value)> = plain
        .into_iter()
        .map(|name| (name, reference("text")))
        .collect();
    fields.push((
        "country",
        described(
            "Draws a new random IMEI, IMSI and ICCID.",
            reference("text"),
        ),
    ));
    fields.push(("cell", object(&cell, &[])));
    object(&fields, &[])
}

fn app_wish() -> Value {
    let mut mapping = object(
        &[
            ("app", described("Name of an App.", reference("text"))),
            ("version", reference("version")),
            ("versionCode", reference("versionCode")),
            ("running", variable_or(json!({ "type": "boolean" }))),
        ],
        &[],
    );
    mapping["minProperties"] = Value::from(1);
    let mapping = not_both(mapping, "version", "versionCode");
    json!({ "anyOf": [{ "enum": ["present", "absent"] }, mapping, reference("variable")] })
}

/// YAML 1.2 core values as JSON.
#[cfg(test)]
fn json_of(node: &super::tree::Node) -> Value {
    use super::tree::Kind;
    match &node.kind {
        Kind::Scalar { .. } if node.is_null() => Value::Null,
        Kind::Scalar { text, plain: true } => match text.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            text => text
                .parse::<i64>()
                .map(Value::from)
                .or_else(|_| text.parse::<f64>().map(Value::from))
                .unwrap_or_else(|_| Value::from(text)),
        },
        Kind::Scalar { text, .. } => Value::from(text.as_str()),
        Kind::List(items) => items.iter().map(json_of).collect(),
        Kind::Map(entries) => entries
            .iter()
            .map(|entry| (entry.key.to_string(), json_of(&entry.value)))
            .collect::<Map<_, _>>()
            .into(),
    }
}

/// The only document of a text, as JSON.
#[cfg(test)]
pub(super) fn document_json(text: &str) -> Value {
    let mut sink = super::finding::Sink::default();
    let limits = super::tree::TreeLimits::default();
    let nodes = super::tree::parse(0, text, limits, &mut sink);
    json_of(&nodes[0])
}

#[cfg(test)]
mod tests {
    use super::super::finding::Sink;
    use super::super::tree::{TreeLimits, parse};
    use super::*;
    use std::path::Path;

    fn documents(text: &str) -> Vec<Value> {
        let mut sink = Sink::default();
        let nodes = parse(0, text, TreeLimits::default(), &mut sink);
        assert_eq!(sink.problems, []);
        nodes.iter().map(json_of).collect()
    }

    fn validator() -> jsonschema::Validator {
        jsonschema::draft7::new(&schema()).unwrap()
    }

    fn folder(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
    }

    #[test]
    fn the_schema_file_is_fresh() {
        let file =
            std::fs::read_to_string(folder("schemas/manifest.schema.json")).unwrap_or_default();
        let now = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
        assert!(
            file == now,
            "stale: run `phonefleet schema > schemas/manifest.schema.json`"
        );
    }

    #[test]
    fn the_schema_is_a_schema() {
        jsonschema::draft7::meta::validate(&schema()).unwrap();
    }

    #[test]
    fn examples_conform() {
        let validator = validator();
        let mut seen = 0;
        for entry in std::fs::read_dir(folder("examples")).unwrap() {
            for file in std::fs::read_dir(entry.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                if path.extension().is_some_and(|end| end == "yaml") {
                    for document in documents(&std::fs::read_to_string(&path).unwrap()) {
                        let errors: Vec<String> = validator
                            .iter_errors(&document)
                            .map(|error| format!("{}: {error}", error.instance_path()))
                            .collect();
                        assert_eq!(errors, Vec::<String>::new(), "{}", path.display());
                        seen += 1;
                    }
                }
            }
        }
        assert!(seen >= 18, "{seen}");
    }
}
