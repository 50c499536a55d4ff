//! A small site in the field: a PV inverter, a battery and a wallbox behind two gateways.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use evl::bundle::inventory::Inventory;
use evl::bundle::profile::{EMBEDDED, Identity, Profile};
use evl::bundle::{
    Bundle, CommandForm, CommandSeries, Document, Expectation, ExpectedLevel, Gap, Hash, Money, PlanDocument,
    Series, Status, Step, Unmanaged,
};
use evl::calendar::Instant;
use evl::diag::{Code, ExitCode};
use evl::inputs::{OnSteps, Reads};
use evl::ir::testkit::{rat, site, span};
use evl::ir::*;
use evl::runtime::apply::{Options, apply};
use evl::runtime::load::Papers;
use evl::runtime::release::{Wish, release};
use evl::runtime::report::Report;
use evl::runtime::stop::Stop;
use evl::system::{Access, Entry, FileError, Kind, Lock, RealSystem, Stream, System};
use evl::verify::{Case, draft, simulate};

/// First instant of every plan here: 2026-07-14T12:00:00Z.
pub(super) const FROM: Instant = Instant(1_784_030_400);

pub(super) fn profile(name: &str) -> Profile {
    let text = EMBEDDED.iter().find(|(known, _)| *known == name).unwrap().1;
    serde_yaml::from_str(text).unwrap()
}

pub(super) fn family(site: &Site, name: &str, role: Role, model: Model) -> Family {
    Family {
        bus: Some(BusId(0)),
        control: Control::Command,
        ..Family::new(FamilyId::at(site.families.len()), name, span(0), role, name, model)
    }
}

/// The site: `solar` behind `roof`; `pack` and `charger` behind `plant`; grid connection 30 kW.
pub(super) fn yard() -> Site {
    let mut s = site();
    s.name = "yard".into();
    s.buses.push(Bus {
        id: BusId(0),
        name: "main".into(),
        supply: None,
        limit: None,
        phase_limit: None,
        span: span(1),
    });
    for (index, name) in ["roof", "plant"].into_iter().enumerate() {
        s.gateways.push(Gateway {
            id: GatewayId::at(index),
            name: name.into(),
            ports: Vec::new(),
            together: Vec::new(),
            span: span(2),
        });
    }
    let grid =
        Model::Grid { import: rat("30"), export: rat("30"), tariff: None, carbon: None, carbon_feed: None };
    let mut utility = family(&s, "utility", Role::Producer, grid);
    utility.ranges.insert(Attr::Import, vec![(rat("0"), rat("30"))]);
    utility.ranges.insert(Attr::Export, vec![(rat("0"), rat("30"))]);
    s.families.push(utility);
    let pv = Model::Renewable { rated: rat("10"), output: None, must_take: false };
    let mut solar = family(&s, "solar", Role::Producer, pv);
    solar.gateway = Some(GatewayId(0));
    solar.profile = Some("sunspec/inverter".into());
    solar.command_step.insert(Attr::Power, rat("0.01"));
    solar.ranges.insert(Attr::Power, vec![(rat("0"), rat("10"))]);
    s.families.push(solar);
    let store = Store {
        efficiency_charge: rat("0.95"),
        efficiency_discharge: rat("0.95"),
        level_min: rat("0.1"),
        level_max: rat("0.95"),
        end: End::Free,
        ..Store::new(rat("10"), rat("5"), rat("5"))
    };
    let mut pack = family(&s, "pack", Role::Storage, Model::Store(Box::new(store)));
    pack.gateway = Some(GatewayId(1));
    pack.profile = Some("sunspec/battery".into());
    pack.command_step.insert(Attr::Charge, rat("0.005"));
    pack.command_step.insert(Attr::Discharge, rat("0.005"));
    pack.ranges.insert(Attr::Charge, vec![(rat("0"), rat("5"))]);
    pack.ranges.insert(Attr::Discharge, vec![(rat("0"), rat("5"))]);
    s.families.push(pack);
    let consumer = Consumer::default();
    let mut charger = family(&s, "charger", Role::Consumer, Model::Consumer(Box::new(consumer)));
    charger.gateway = Some(GatewayId(1));
    charger.profile = Some("heidelberg/energy-control".into());
    charger.command_step.insert(Attr::Power, rat("0.069"));
    charger.ranges.insert(Attr::Power, vec![(rat("0"), rat("0")), (rat("4.14"), rat("11.04"))]);
    s.families.push(charger);
    s
}

/// A rule of the safety class with the id 0: `then disconnect solar`.
pub(super) fn co_rule() -> Rule {
    let target = Target::Members(vec![MemberRange { family: FamilyId(1), first: 1, last: 1 }]);
    Rule {
        id: RuleId(0),
        name: "co_alarm".into(),
        class: SAFETY,
        owner: OWNER,
        span: span(3),
        for_each: None,
        when: Guard::Const(true),
        when_span: span(3),
        until: None,
        memory: Memory::None,
        latches: Vec::new(),
        on_loss: OnLoss::Active,
        at_most_every_s: None,
        effects: vec![Effect {
            index: 0,
            verb: Verb::Disconnect,
            target,
            kind: EffectKind::Connect(false),
            preferably: false,
            price: None,
            span: span(4),
            text: "disconnect solar".into(),
        }],
    }
}

/// A CO sensor for tests: whatever stands in one holding register, in ppm.
pub(super) fn co_profile(register: u16) -> Profile {
    let text = format!(
        "profile: test/co\nclass: control\nfunction: co_sensor\nidentity: none\n\
         points:\n  ppm: {{ at: holding {register}, type: uint16, unit: ppm }}\n\
         measures:\n  ppm: {{ point: ppm }}\n"
    );
    serde_yaml::from_str(&text).unwrap()
}

/// The yard with a CO sensor behind `plant`, and the rule `when garage_co.ppm > 70 ppm then
/// disconnect solar` in the safety class.
pub(super) fn garage() -> Site {
    let mut s = yard();
    let mut sensor = family(&s, "garage_co", Role::Control, Model::Control { zone: None });
    (sensor.gateway, sensor.bus, sensor.control) = (Some(GatewayId(1)), None, Control::Observe);
    sensor.profile = Some("test/co".into());
    let signal = SignalId::at(s.signals.len());
    s.signals.push(Signal {
        id: signal,
        name: "garage_co.ppm".into(),
        ty: evl::quantity::Type::Concentration,
        count: None,
        domain: Domain::Interval { lo: rat("0"), hi: rat("1000") },
        source: SignalSource::Sensor(sensor.id, "ppm".into()),
        reading: Some(Reading { poll_s: Some(rat("2")), max_age_s: Some(rat("6")) }),
        feed: None,
        normal: None,
        strict_step: rat("0"),
        span: span(5),
    });
    sensor.readings.insert(Attr::Point("ppm".into()), signal);
    s.families.push(sensor);
    let mut rule = co_rule();
    let lin = Lin { constant: rat("-70"), terms: vec![(rat("1"), SigRef::Only(signal))], sums: Vec::new() };
    rule.when = Guard::Compare { lin, op: Cmp::Gt, step: rat("0") };
    s.rules.push(rule);
    s
}

/// The papers of [`garage`], the sensor at this holding register of a unit behind `plant`.
pub(super) fn garage_papers(site: Site, roof: u16, plant: u16, unit: u8, register: u16) -> Papers {
    let text = inventory_text(roof, plant) + &format!("  garage_co: {{ gateway: plant, unit: {unit} }}\n");
    let inventory: Inventory = serde_yaml::from_str(&text).unwrap();
    let mut profiles = profiles();
    profiles.insert("test/co".to_owned(), co_profile(register));
    let bundle = Bundle::new(site, profiles, &inventory, BTreeMap::new());
    Papers::new(bundle, inventory).unwrap()
}

pub(super) fn profiles() -> BTreeMap<String, Profile> {
    let names = ["sunspec/inverter", "sunspec/battery", "heidelberg/energy-control"];
    names.map(|name| (name.to_owned(), profile(name))).into()
}

/// The papers of a site whose profiles are others than those that come with evl.
pub(super) fn papers_with(site: Site, text: &str, others: &[Profile]) -> Papers {
    let mut profiles = profiles();
    let mut text = text.to_owned();
    for other in others {
        if let Some(embedded) = profiles.insert(other.profile.clone(), other.clone()) {
            text = text.replace(&embedded.hash(), &other.hash());
        }
    }
    let inventory: Inventory = serde_yaml::from_str(&text).unwrap();
    let bundle = Bundle::new(site, profiles, &inventory, BTreeMap::new());
    Papers::new(bundle, inventory).unwrap()
}

/// The inventory in YAML; `roof` and `plant` at these ports of this computer.
pub(super) fn inventory_text(roof: u16, plant: u16) -> String {
    let hash = |name: &str| profile(name).hash();
    format!(
        r#"
hosts: {{ pc: {{ gateways: [roof, plant] }} }}
gateways:
  roof: {{ transport: modbus_tcp, host: 127.0.0.1, port: {roof}, timeout: 300 ms }}
  plant: {{ transport: modbus_tcp, host: 127.0.0.1, port: {plant}, timeout: 300 ms }}
devices:
  solar:
    {{ gateway: roof, unit: 1, serial: PV10K-0001, commissioned: {{ serial: PV10K-0001, profile: "{}", on: 2026-03-01 }} }}
  pack:
    {{ gateway: plant, unit: 2, serial: BAT5K-0002, commissioned: {{ serial: BAT5K-0002, profile: "{}", on: 2026-03-01 }} }}
  charger:
    {{ gateway: plant, unit: 4, commissioned: {{ serial: none, profile: "{}", on: 2026-03-01 }} }}
"#,
        hash("sunspec/inverter"),
        hash("sunspec/battery"),
        hash("heidelberg/energy-control")
    )
}

pub(super) fn papers(site: Site, inventory: &str) -> Papers {
    let inventory: Inventory = serde_yaml::from_str(inventory).unwrap();
    let bundle = Bundle::new(site, profiles(), &inventory, BTreeMap::new());
    Papers::new(bundle, inventory).unwrap()
}

/// One command for all four steps: device, attribute, form, whole steps of 0.01 kW (0.005 for the
/// battery, 0.069 for the wallbox, 1 for truth values).
pub(super) type Command<'a> = (&'a str, Attr, CommandForm, i64);

/// Stores at 5.5 kWh, zones at 21 degC.
fn state(site: &Site, sequence: u64) -> evl::bundle::State {
    let stores = site.families.iter().filter(|family| family.role == Role::Storage);
    let levels: BTreeMap<&str, &str> = stores.map(|family| (family.name.as_str(), "5.5 kWh")).collect();
    let zones: BTreeMap<&str, &str> = site.zones.iter().map(|zone| (zone.name.as_str(), "21 degC")).collect();
    // far from its safe state, so that only the field knows where such a device really is
    let away = site.families.iter().filter_map(|family| Some((family.name.as_str(), !family.life_safety?)));
    let on: BTreeMap<&str, serde_json::Value> =
        away.map(|(name, on)| (name, serde_json::json!({ "on": on, "since": FROM }))).collect();
    serde_json::from_value(serde_json::json!({
        "schema": "evl.state/1", "site": "yard", "at": FROM, "sequence": sequence,
        "levels": levels, "temperatures": zones, "on": on,
    }))
    .unwrap()
}

pub(super) fn plan(papers: &Papers, sequence: u64, commands: &[Command]) -> PlanDocument {
    let steps = (0..4).map(|i| Step { start: FROM.plus(900 * i), end: FROM.plus(900 * (i + 1)) }).collect();
    let commands = commands
        .iter()
        .map(|(device, attr, form, count)| CommandSeries {
            device: (*device).to_owned(),
            attr: attr.clone(),
            form: *form,
            unit: match attr {
                Attr::On | Attr::Connected => "",
                Attr::Setpoint => "degC",
                _ => "kW",
            }
            .to_owned(),
            step: match (*device, attr) {
                (_, Attr::On | Attr::Connected) => rat("1"),
                ("charger", _) => rat("0.069"),
                ("pack" | "twin", _) => rat("0.005"),
                ("lobby", _) => rat("0.5"),
                _ => rat("0.01"),
            },
            counts: vec![*count; 4],
        })
        .collect();
    let mut document = PlanDocument {
        schema: PlanDocument::SCHEMA.to_owned(),
        tool: evl::bundle::tool(),
        site: "yard".to_owned(),
        timezone: papers.bundle.site.timezone.clone(),
        valid: papers.bundle.site.valid,
        bundle: papers.bundle.id.clone(),
        inputs: Vec::new(),
        from: FROM,
        expires: FROM.plus(3600),
        sequence,
        follows: None,
        expect: Vec::new(),
        steps,
        commands,
        groups: Vec::new(),
        following: Vec::new(),
        given: Vec::new(),
        derived: Vec::new(),
        flows: Vec::new(),
        money: Money { currency: "USD".to_owned(), ..Money::default() },
        reasons: Vec::new(),
        presumes: Vec::new(),
        assumptions: Vec::new(),
        overrides: Vec::new(),
        breaches: Vec::new(),
        void: Vec::new(),
        sessions: Vec::new(),
        state: state(&papers.bundle.site, sequence - 1),
        status: Status::Optimal,
        gap: Gap::default(),
        reproducible: true,
        study: false,
        id: Hash::default(),
    };
    document.expect = expected(papers, &document);
    let site = &papers.bundle.site;
    // clean air in every step
    document.given = Reads::of(site)
        .readings
        .iter()
        .map(|signal| Series {
            of: evl::bundle::signal_name(site, signal).unwrap(),
            quantity: evl::bundle::Quantity::Reading,
            unit: "ppm".to_owned(),
            values: vec![rat("3"); 4],
        })
        .collect();
    if let Ok(given) = OnSteps::from_plan(site, &document) {
        let case = Case {
            site,
            steps: &document.steps,
            given: &given,
            state: &document.state,
            sessions: &document.sessions,
            commands: &document.commands,
            groups: &document.groups,
            following: &document.following,
            steered: &document.state.steered(site),
            excluded: &document.state.excluded(site),
        };
        document.derived = simulate(&case).map(|trajectory| trajectory.series(site, &[])).unwrap_or_default();
    }
    let told = draft(&papers.bundle, &document.clone().seal()).told;
    document.assumptions = told.assumptions;
    document.reasons = told.reasons;
    document.money.unmanaged = told.unmanaged.as_ref().map(Unmanaged::cost);
    document.money.unmanaged_parts = told.unmanaged;
    document.seal()
}

/// What a plan expects of the devices that it commands.
fn expected(papers: &Papers, plan: &PlanDocument) -> Vec<Expectation> {
    let site = &papers.bundle.site;
    let commanded = |family: &&Family| plan.commands.iter().any(|series| series.device == family.name);
    let of = |family: &Family| {
        let profile = family.profile.as_ref().and_then(|name| papers.bundle.profiles.get(name))?;
        let level = match &family.model {
            Model::Store(store) => {
                let device = Device { family: family.id, index: 1 };
                let level = plan.state.level(site, device).ok()?;
                Some(ExpectedLevel { level, tolerance: &store.capacity * &rat("0.05") })
            }
            _ => None,
        };
        Some(Expectation {
            device: family.name.clone(),
            profile: family.profile.clone(),
            profile_hash: Hash::parse(&profile.hash()),
            identity: if profile.identity == Identity::None { "none" } else { "registers" }.to_owned(),
            control: family.control,
            level,
        })
    };
    site.families.iter().filter(commanded).filter_map(of).collect()
}

/// Solar at most 4.5 kW, battery charging 2 kW, wallbox at most 11.04 kW.
pub(super) fn usual() -> Vec<Command<'static>> {
    vec![
        ("solar", Attr::Power, CommandForm::AtMost, 450),
        ("pack", Attr::Charge, CommandForm::Fixed, 400),
        ("pack", Attr::Discharge, CommandForm::Fixed, 0),
        ("charger", Attr::Power, CommandForm::Fixed, 160),
    ]
}

/// The kind of a record, and what is done just before it.
type Due = (&'static str, Box<dyn FnOnce() + Send>);

/// A host with a state folder of its own. Its clock stands at [`FROM`] plus `passed` seconds. It dies
/// at a chosen append to the journal, if told to.
pub(super) struct Host {
    folder: tempfile::TempDir,
    real: RealSystem,
    passed: AtomicI64,
    /// appends until death, before or after the line is durable; negative: lives on
    left: AtomicI64,
    durable: AtomicBool,
    full: AtomicBool,
    /// files that are replaced until death, or until one that finds the disk full; negative: none
    writes_left: AtomicI64,
    write_fails: AtomicBool,
    /// nothing can be appended any more, reserve or not
    broken: AtomicBool,
    /// whether a person sits at its terminal, who says yes
    person: AtomicBool,
    /// what the operating system says of its clock
    synchronised: AtomicBool,
    /// done once, just before a record with this word becomes durable
    before: Mutex<Option<Due>>,
}

impl Host {
    pub(super) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            real: RealSystem::new(),
            passed: AtomicI64::new(10),
            left: AtomicI64::new(-1),
            durable: AtomicBool::new(false),
            full: AtomicBool::new(false),
            writes_left: AtomicI64::new(-1),
            write_fails: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            person: AtomicBool::new(false),
            synchronised: AtomicBool::new(false),
            before: Mutex::new(None),
        }
    }

    pub(super) fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(super) fn now(&self) -> Instant {
        FROM.plus(self.passed.load(Ordering::Relaxed))
    }

    pub(super) fn at(&self, seconds: i64) {
        self.passed.store(seconds, Ordering::Relaxed);
    }

    pub(super) fn dies_at(&self, append: i64, durable: bool) {
        self.left.store(append, Ordering::Relaxed);
        self.durable.store(durable, Ordering::Relaxed);
    }

    /// Dies at a replacement of a whole file, before or after the new one is durable.
    pub(super) fn dies_replacing(&self, file: i64, durable: bool) {
        self.writes_left.store(file, Ordering::Relaxed);
        self.durable.store(durable, Ordering::Relaxed);
        self.write_fails.store(false, Ordering::Relaxed);
    }

    /// Finds the disk full at one replacement of a whole file.
    pub(super) fn full_at_replacing(&self, file: i64) {
        self.writes_left.store(file, Ordering::Relaxed);
        self.write_fails.store(true, Ordering::Relaxed);
    }

    pub(super) fn disk_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    pub(super) fn journal_fails(&self, broken: bool) {
        self.broken.store(broken, Ordering::Relaxed);
    }

    pub(super) fn clock_is_synchronised(&self) {
        self.synchronised.store(true, Ordering::Relaxed);
    }

    /// A person is asked, and says yes after having done something.
    pub(super) fn person(&self, work: impl FnOnce() + Send + 'static) {
        self.person.store(true, Ordering::Relaxed);
        *self.before.lock().unwrap() = Some(("ask", Box::new(work)));
    }

    /// Does something once, just before the first record of this kind.
    pub(super) fn just_before(&self, kind: &'static str, work: impl FnOnce() + Send + 'static) {
        *self.before.lock().unwrap() = Some((kind, Box::new(work)));
    }

    pub(super) fn options(&self) -> Options {
        Options {
            state_dir: self.state_dir(),
            yes: true,
            once: true,
            now: Some(self.now()),
            ..Options::default()
        }
    }

    pub(super) async fn apply(&self, papers: &Papers, plan: &PlanDocument) -> Report {
        apply(self, papers, plan, &self.options()).await
    }

    pub(super) async fn status(&self, papers: &Papers) -> Report {
        evl::runtime::status::status(self, papers, &self.state_dir(), None, Some(self.now())).await
    }

    pub(super) async fn release(&self, papers: &Papers) -> Report {
        self.release_of(papers, &[]).await
    }

    /// Releases these devices alone.
    pub(super) async fn release_of(&self, papers: &Papers, devices: &[String]) -> Report {
        self.release_unless(papers, devices, Stop::default()).await
    }

    /// Releases unless asked to end.
    pub(super) async fn release_unless(&self, papers: &Papers, devices: &[String], stop: Stop) -> Report {
        let state_dir = self.state_dir();
        release(self, papers, &Wish { state_dir: &state_dir, host: None, devices, stop }).await
    }

    pub(super) fn journal(&self) -> String {
        std::fs::read_to_string(self.state_dir().join("journal.jsonl")).unwrap_or_default()
    }
}

impl System for Host {
    fn revision(
        &self,
        folder: &Path,
        revision: &str,
        cap: u64,
    ) -> Result<evl::system::RevisionFiles, evl::system::RevisionFault> {
        self.real.revision(folder, revision, cap)
    }
    fn read(&self, path: &Path, cap: u64) -> Result<Vec<u8>, FileError> {
        self.real.read(path, cap)
    }
    fn write(&self, path: &Path, bytes: &[u8], access: Access) -> Result<(), FileError> {
        let left = self.writes_left.fetch_sub(1, Ordering::Relaxed);
        if left == 0 && self.write_fails.load(Ordering::Relaxed) {
            return Err(FileError::new(path, evl::system::FileFault::Full));
        }
        if left != 0 || self.durable.load(Ordering::Relaxed) {
            self.real.write(path, bytes, access)?;
        }
        assert!(left != 0, "killed");
        Ok(())
    }
    fn append(&self, path: &Path, bytes: &[u8], access: Access) -> Result<(), FileError> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let due = self.before.lock().unwrap().take_if(|(kind, _)| text.contains(&format!("\"{kind}\"")));
        if let Some((_, work)) = due {
            work();
        }
        if self.broken.load(Ordering::Relaxed) {
            return Err(FileError::new(path, evl::system::FileFault::Denied));
        }
        if self.full.load(Ordering::Relaxed) && self.real.exists(&path.with_file_name("reserve")) {
            return Err(FileError::new(path, evl::system::FileFault::Full));
        }
        let dies = self.left.load(Ordering::Relaxed) == 0;
        self.left.fetch_sub(1, Ordering::Relaxed);
        if !dies || self.durable.load(Ordering::Relaxed) {
            self.real.append(path, bytes, access)?;
        }
        assert!(!dies, "killed");
        Ok(())
    }
    fn remove(&self, path: &Path) -> Result<(), FileError> {
        self.real.remove(path)
    }
    fn list(&self, folder: &Path) -> Result<Vec<Entry>, FileError> {
        self.real.list(folder)
    }
    fn create_folder(&self, folder: &Path, access: Access) -> Result<(), FileError> {
        self.real.create_folder(folder, access)
    }
    fn kind(&self, path: &Path) -> Option<Kind> {
        self.real.kind(path)
    }
    fn canonical(&self, path: &Path) -> Result<PathBuf, FileError> {
        self.real.canonical(path)
    }
    fn lock(&self, path: &Path, holder: &str) -> Result<Result<Lock, String>, FileError> {
        self.real.lock(path, holder)
    }
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(Host::now(self).0).unwrap()
    }
    fn monotonic(&self) -> std::time::Duration {
        self.real.monotonic()
    }
    fn clock_synchronised(&self) -> Option<bool> {
        self.synchronised.load(Ordering::Relaxed).then_some(true)
    }
    fn env(&self, _name: &str) -> Option<String> {
        None
    }
    fn current_folder(&self) -> Result<PathBuf, FileError> {
        self.real.current_folder()
    }
    fn process_id(&self) -> u32 {
        4711
    }
    fn is_terminal(&self, _stream: Stream) -> bool {
        self.person.load(Ordering::Relaxed)
    }
    fn terminal_width(&self) -> Option<usize> {
        None
    }
    fn print(&self, _text: &str) -> Result<(), FileError> {
        Ok(())
    }
    fn say(&self, _text: &str) {}
    fn ask(&self) -> Option<String> {
        let due = self.before.lock().unwrap().take_if(|(kind, _)| *kind == "ask");
        due.map(|(_, work)| {
            work();
            "y".to_owned()
        })
    }
}

/// The exit code and the codes of the findings.
pub(super) fn ends(report: &Report) -> (ExitCode, Vec<Code>) {
    (report.exit_code(), report.findings.iter().map(|finding| finding.code).collect())
}
