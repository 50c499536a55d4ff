//! The Modbus driver and the profiles against the embedded simulator.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use evl::bundle::profile::{Aspect, EMBEDDED, Form, PointWrite, PowerFound, Profile, Verb};
use evl::quantity::Rat;
use evl::runtime::endpoint::{Endpoint, Priority};
use evl::runtime::frames::Barred;
use evl::runtime::map::DeviceMap;
use evl::runtime::session::Fault as Wire;
use evl::sim::{Fault, Plant, small_plant};

fn profile(name: &str) -> Profile {
    let text = EMBEDDED.iter().find(|(known, _)| *known == name).unwrap().1;
    serde_yaml::from_str(text).unwrap()
}

fn kw(text: &str) -> Rat {
    text.parse().unwrap()
}

async fn plant(speed: u32) -> (Plant, Endpoint) {
    let plant = Plant::new(small_plant(), speed);
    let ports = plant.serve(0).await.unwrap();
    (plant, Endpoint::start("127.0.0.1", ports["plant"], Duration::from_millis(500), 4))
}

/// Turns time forward, for the simulator's devices and for the driver alike.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

struct Device {
    map: DeviceMap,
    profile: Profile,
    context: evl::bundle::profile::Context,
}

impl Device {
    async fn find(endpoint: &Endpoint, unit: u8, name: &str, rated: &str) -> Self {
        let profile = profile(name);
        let map = DeviceMap::discover(endpoint.clone(), unit, &profile).await.unwrap();
        let ratings = BTreeMap::from([("power".to_owned(), kw(rated))]);
        let context = map.context(&profile, ratings).await.unwrap();
        Self { map, profile, context }
    }

    async fn command(&self, verb: Verb, form: Form, value: &str) {
        let value = kw(value);
        let lowered = self.profile.lower(verb, Some(form), Some(&value), 900, &self.context).unwrap();
        for frame in self.map.frames(&self.profile, &lowered.writes).unwrap() {
            self.map.send(&frame, Priority::Ordinary).await.unwrap();
        }
    }

    async fn found(&self) -> evl::bundle::profile::Found {
        let all: BTreeSet<&str> = self.profile.points.keys().map(String::as_str).collect();
        self.profile.decode(&self.map.read(&all).await.unwrap(), &self.context)
    }

    async fn raw(&self, point: &str) -> i64 {
        self.map.read(&BTreeSet::from([point])).await.unwrap()[point]
    }
}

#[tokio::test]
async fn the_chain_of_models_is_walked_and_the_serial_read() {
    let (_plant, endpoint) = plant(1).await;
    let solar = Device::find(&endpoint, 1, "sunspec/inverter", "10").await;
    // 40000 marker, model 1 of 68 registers, model 103 of 52: model 123 begins at 40122
    assert_eq!(solar.map.at("limit").unwrap().at, 40127);
    let serial = "1.SN".parse().unwrap();
    assert_eq!(solar.map.text(&serial, None).await.unwrap(), "PV10K-0001");
    let pack = Device::find(&endpoint, 2, "sunspec/battery", "5").await;
    assert_eq!(pack.context.readings["max_power"], kw("5"));
}

#[tokio::test]
async fn an_upper_limit_holds_the_inverter_down() {
    let (plant, endpoint) = plant(1).await;
    let solar = Device::find(&endpoint, 1, "sunspec/inverter", "10").await;
    assert_eq!(solar.profile.command_step(Verb::Power, &solar.context), Some(kw("0.01")));
    solar.command(Verb::Power, Form::AtMost, "4.567").await;
    let power = PowerFound::Commanded { verb: Verb::Power, form: Form::AtMost, value: kw("4.56") };
    assert_eq!(solar.found().await.power, power);
    assert_eq!(plant.power("solar"), Some(kw("4.56")));
    assert_eq!(solar.raw("limit_timer").await, 900);
    // timer first, value second, enable last: no moment without its guard
    let order: Vec<u16> = plant.log().iter().filter_map(|entry| entry.at).collect();
    assert_eq!(order, [40129, 40127, 40131]);
}

#[tokio::test]
async fn a_reversion_timer_ends_the_command() {
    let (plant, endpoint) = plant(1).await;
    let solar = Device::find(&endpoint, 1, "sunspec/inverter", "10").await;
    solar.command(Verb::Power, Form::AtMost, "2").await;
    pass(899).await;
    assert_eq!(plant.peek("solar", "limit_enabled"), Some(1));
    pass(2).await;
    assert_eq!(plant.peek("solar", "limit_enabled"), Some(0));
    assert_eq!(solar.found().await.power, PowerFound::Released);
    assert!(plant.log().iter().any(|entry| entry.result == "reverted"));
}

#[tokio::test]
async fn the_battery_is_charged_discharged_and_held() {
    let (plant, endpoint) = plant(1).await;
    let pack = Device::find(&endpoint, 2, "sunspec/battery", "5").await;
    for (verb, value, power) in [
        (Verb::Discharge, "2.5", "2.5"),
        (Verb::Charge, "1.005", "-1.005"),
        (Verb::Idle, "0", "0"),
        (Verb::Discharge, "5", "5"),
    ] {
        pack.command(verb, Form::Fixed, value).await;
        assert_eq!(plant.power("pack"), Some(kw(power)), "{verb:?}");
        let found = PowerFound::Commanded { verb, form: Form::Fixed, value: kw(value) };
        assert_eq!(pack.found().await.power, found);
    }
    // the meter sees its neighbours: 8 kW of sun and 5 kW of battery against the wallbox's 4.14 kW
    let meter = Device::find(&endpoint, 3, "sunspec/meter", "20").await;
    assert_eq!(meter.raw("power").await, -8860);
}

#[tokio::test]
async fn kilowatts_become_amperes_and_the_watchdog_cuts_them_in_silence() {
    let (plant, endpoint) = plant(1).await;
    let charger = Device::find(&endpoint, 4, "heidelberg/energy-control", "11.04").await;
    assert_eq!(charger.profile.command_step(Verb::Power, &charger.context), Some(kw("0.069")));
    charger.command(Verb::Power, Form::AtMost, "11.04").await;
    assert_eq!(plant.peek("charger", "current"), Some(160));
    // below 6 A there is nothing but 0
    assert_eq!(charger.profile.counts("current", &kw("3"), Form::AtMost, &charger.context).unwrap(), 0);
    pass(16).await;
    assert_eq!(charger.raw("flowing").await, 60, "the fail-safe current flows");
    assert_eq!(charger.raw("current").await, 160, "and the register does not show it");
}

#[tokio::test]
async fn nothing_outside_the_profile_is_written() {
    let (plant, endpoint) = plant(1).await;
    let solar = Device::find(&endpoint, 1, "sunspec/inverter", "10").await;
    let write = |point: &str, raw| [PointWrite { point: point.to_owned(), raw }];
    let bar = |point: &str, raw| solar.map.frames(&solar.profile, &write(point, raw)).unwrap_err();
    assert_eq!(bar("power", 1), Barred::NotListed("power".to_owned()));
    assert_eq!(bar("nowhere", 1), Barred::NotListed("nowhere".to_owned()));
    assert_eq!(bar("connection", 2), Barred::Value("connection".to_owned(), 2));
    assert_eq!(bar("limit", 1001), Barred::Value("limit".to_owned(), 1001));
    assert_eq!(bar("limit_timer", 70_000), Barred::Value("limit_timer".to_owned(), 70_000));
    // one bad write bars its neighbours too
    let both = [write("limit", 10), write("power", 1)].concat();
    assert!(solar.map.frames(&solar.profile, &both).is_err());
    assert_eq!(plant.log(), Vec::new());
}

#[tokio::test]
async fn exceptions_and_silence_are_told_apart() {
    let (plant, endpoint) = plant(1).await;
    let solar = Device::find(&endpoint, 1, "sunspec/inverter", "10").await;
    let write = [PointWrite { point: "limit".to_owned(), raw: 500 }];
    let frame = solar.map.frames(&solar.profile, &write).unwrap().remove(0);
    let fault = |text: &str| serde_json::from_str::<Fault>(text).unwrap();

    plant.inject(fault(r#"{"device":"solar","kind":"exception","code":3,"requests":"write"}"#));
    assert_eq!(solar.map.send(&frame, Priority::Ordinary).await, Err(Wire::Exception(3)));
    plant.heal();

    // busy twice, then it goes through: certainly not carried out, so asked again
    plant.inject(fault(r#"{"device":"solar","kind":"exception","code":6,"requests":"write","count":2}"#));
    assert_eq!(solar.map.send(&frame, Priority::Ordinary).await, Ok(()));
    plant.heal();

    plant.inject(fault(r#"{"device":"solar","kind":"no_reply","requests":"write","count":1}"#));
    let silence = solar.map.send(&frame, Priority::Ordinary).await.unwrap_err();
    assert!(silence.leaves_unknown(), "{silence}");
    // the next request has a fresh session and its own answer
    assert_eq!(solar.raw("limit").await, 500);
    let absent = DeviceMap::discover(endpoint.clone(), 9, &solar.profile).await.unwrap_err();
    assert!(absent.to_string().contains("exception 11"), "{absent}");
    assert_eq!(Verb::Charge.aspect(), Aspect::Power);
}
