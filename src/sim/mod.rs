//! The embedded gateway simulator: real Modbus TCP servers on this computer, one per gateway, whose
//! devices are made from module profiles and behave like them.
//!
//! Devices follow their commands, timers run out, watchdogs bark, a meter sums up its neighbours, and
//! every write that reached a device is logged. Faults can be injected.

mod fault;
mod unit;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};

pub use fault::{Fault, FaultKind, Requests};
pub use unit::DeviceSpec;

use crate::bundle::inventory::Inventory;
use crate::bundle::profile::{EMBEDDED, Profile};
use crate::bundle::{Bundle, Names, ratings};
use crate::quantity::Rat;
use fault::Asked;
use unit::Unit;

/// A gateway to be simulated.
#[derive(Debug, Clone)]
pub struct GatewaySpec {
    /// its name in the policy
    pub name: String,
    /// the devices behind it
    pub devices: Vec<DeviceSpec>,
}

/// A write that reached a device, or something that a device did by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogEntry {
    /// milliseconds since the simulator started
    pub ms: u64,
    /// the device
    pub device: String,
    /// first register, for a write
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<u16>,
    /// what was written
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<u16>,
    /// `ok`, `stuck`, `clamped`, `exception 4`, `reverted`, ..
    pub result: String,
}

/// The simulated plant; clones share it.
#[derive(Debug, Clone)]
pub struct Plant(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    started: Instant,
    gateways: BTreeMap<String, BTreeMap<u8, Unit>>,
    faults: Vec<Fault>,
    log: Vec<LogEntry>,
}

impl Plant {
    /// A plant whose timers run `speed` times as fast as real ones.
    #[must_use]
    pub fn new(gateways: Vec<GatewaySpec>, speed: u32) -> Self {
        let gateways = gateways
            .into_iter()
            .map(|gateway| {
                let units = gateway.devices.into_iter();
                (
                    gateway.name,
                    units.map(|spec| (spec.unit, Unit::new(spec, Duration::ZERO, speed.max(1)))).collect(),
                )
            })
            .collect();
        Self(Arc::new(Mutex::new(State {
            started: Instant::now(),
            gateways,
            faults: Vec::new(),
            log: Vec::new(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a fault.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// Every write that reached a device so far, and what devices did by themselves.
    #[must_use]
    pub fn log(&self) -> Vec<LogEntry> {
        self.state().log.clone()
    }

    /// Register value of a point of a device.
    #[must_use]
    pub fn peek(&self, device: &str, point: &str) -> Option<i64> {
        let mut state = self.state();
        state.advance();
        let units = state.gateways.values().flat_map(BTreeMap::values);
        units.into_iter().find(|unit| unit.spec.name == device).and_then(|unit| unit.peek(point))
    }

    /// Sets a point from the device's own side: local control, another master, an alarm.
    pub fn poke(&self, device: &str, point: &str, raw: i64) {
        let mut state = self.state();
        let units = state.gateways.values_mut().flat_map(BTreeMap::values_mut);
        if let Some(unit) = units.into_iter().find(|unit| unit.spec.name == device) {
            unit.poke(point, raw);
        }
    }

    /// Signed power that a device gives to its bus, kW.
    #[must_use]
    pub fn power(&self, device: &str) -> Option<Rat> {
        let mut state = self.state();
        state.advance();
        let units = state.gateways.values().flat_map(BTreeMap::values);
        units.into_iter().find(|unit| unit.spec.name == device).map(|unit| unit.power.clone())
    }

    /// Serves every gateway on a port of its own on this computer, from `port` upwards (0: any free
    /// ports), until the runtime ends. Gives the port of each.
    ///
    /// # Errors
    /// A port is taken.
    pub async fn serve(&self, port: u16) -> io::Result<BTreeMap<String, u16>> {
        let names: Vec<String> = self.state().gateways.keys().cloned().collect();
        let mut ports = BTreeMap::new();
        for (index, name) in names.into_iter().enumerate() {
            let port =
                if port == 0 { 0 } else { port.saturating_add(u16::try_from(index).unwrap_or(u16::MAX)) };
            let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
            ports.insert(name.clone(), listener.local_addr()?.port());
            let served = Served { plant: self.clone(), gateway: name };
            tokio::spawn(async move {
                let connected = |stream: TcpStream, from| {
                    let served = served.clone();
                    async move {
                        stream.set_nodelay(true)?;
                        accept_tcp_connection(stream, from, |_| Ok(Some(served.clone())))
                    }
                };
                // a peer that breaks off is no event for a simulator
                let _ = Server::new(listener).serve(&connected, |_| {}).await;
            });
        }
        Ok(ports)
    }
}

impl State {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn advance(&mut self) {
        let now = self.now();
        for units in self.gateways.values_mut() {
            let total: Rat = units.values().filter(|u| !is_meter(u)).map(|u| u.power.clone()).sum();
            for unit in units.values_mut() {
                if let Some(event) = unit.advance(now, total.clone()) {
                    let ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
                    let device = unit.spec.name.clone();
                    self.log.push(LogEntry { ms, device, at: None, words: Vec::new(), result: event });
                }
            }
        }
    }

    fn fault(&mut self, kind: FaultKind, unit: (&str, u8), asked: Asked) -> Option<Fault> {
        let units = self.gateways.get(unit.0)?;
        let device = units.get(&unit.1)?;
        let name = device.spec.name.clone();
        for fault in &mut self.faults {
            let place = fault.point.as_deref().and_then(|point| device.spot(point));
            if fault.kind == kind && fault.take(&name, place, asked) {
                return Some(fault.clone());
            }
        }
        None
    }
}

fn is_meter(unit: &Unit) -> bool {
    unit.spec.profile.class == crate::bundle::profile::Class::Meter
}

#[derive(Debug, Clone)]
struct Served {
    plant: Plant,
    gateway: String,
}

/// What a request comes to: an answer after a wait, or none.
struct Outcome {
    wait: Duration,
    answer: Result<Option<Response>, ExceptionCode>,
}

impl Service for Served {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Option<Response>, ExceptionCode>> + Send>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        let outcome = self.answer(request.slave, &request.request);
        Box::pin(async move {
            if !outcome.wait.is_zero() {
                tokio::time::sleep(outcome.wait).await;
            }
            outcome.answer
        })
    }
}

impl Served {
    fn answer(&self, id: u8, request: &Request<'_>) -> Outcome {
        let mut state = self.plant.state();
        state.advance();
        let now = state.now();
        let at_once = |answer| Outcome { wait: Duration::ZERO, answer };
        let (at, count, writes) = match request {
            Request::ReadInputRegisters(at, count) | Request::ReadHoldingRegisters(at, count) => {
                (*at, *count, false)
            }
            Request::WriteSingleRegister(at, _) => (*at, 1, true),
            Request::WriteMultipleRegisters(at, words) => {
                (*at, u16::try_from(words.len()).unwrap_or(u16::MAX), true)
            }
            _ => return at_once(Err(ExceptionCode::IllegalFunction)),
        };
        let place = (self.gateway.as_str(), id);
        let asked = Asked { writes, at, count };
        if !state.gateways.get(&self.gateway).is_some_and(|units| units.contains_key(&id)) {
            return at_once(Err(ExceptionCode::GatewayTargetDevice));
        }
        let wait = state.fault(FaultKind::Delay, place, asked).map_or(0, |fault| fault.ms);
        let mut answer = match state.fault(FaultKind::Exception, place, asked) {
            Some(fault) => {
                if writes {
                    state.note(place, at, &[], &format!("exception {}", fault.code), now);
                }
                Err(ExceptionCode::new(fault.code))
            }
            None => state.carry_out(place, request, asked, now),
        };
        if let Some(unit) = state.gateways.get_mut(&self.gateway).and_then(|units| units.get_mut(&id)) {
            unit.hear(now);
        }
        if state.fault(FaultKind::NoReply, place, asked).is_some() {
            answer = Ok(None);
        }
        Outcome { wait: Duration::from_millis(wait), answer }
    }
}

impl State {
    fn note(&mut self, (gateway, id): (&str, u8), at: u16, words: &[u16], result: &str, now: Duration) {
        let device = self.gateways.get(gateway).and_then(|units| units.get(&id));
        let device = device.map(|unit| unit.spec.name.clone()).unwrap_or_default();
        let ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let result = result.to_owned();
        self.log.push(LogEntry { ms, device, at: Some(at), words: words.to_vec(), result });
    }

    fn carry_out(
        &mut self,
        place: (&str, u8),
        request: &Request<'_>,
        asked: Asked,
        now: Duration,
    ) -> Result<Option<Response>, ExceptionCode> {
        let missing = ExceptionCode::IllegalDataAddress;
        let unit = |state: &Self, input| {
            let unit = state.gateways.get(place.0).and_then(|units| units.get(&place.1));
            unit.and_then(|unit| unit.read(input, asked.at, asked.count)).ok_or(missing)
        };
        match request {
            Request::ReadInputRegisters(..) => unit(self, true).map(Response::ReadInputRegisters).map(Some),
            Request::ReadHoldingRegisters(..) => {
                unit(self, false).map(Response::ReadHoldingRegisters).map(Some)
            }
            Request::WriteSingleRegister(at, word) => {
                self.write(place, asked, &[*word], now)?;
                Ok(Some(Response::WriteSingleRegister(*at, *word)))
            }
            Request::WriteMultipleRegisters(at, words) => {
                self.write(place, asked, words, now)?;
                Ok(Some(Response::WriteMultipleRegisters(*at, asked.count)))
            }
            _ => Err(ExceptionCode::IllegalFunction),
        }
    }

    fn write(
        &mut self,
        place: (&str, u8),
        asked: Asked,
        words: &[u16],
        now: Duration,
    ) -> Result<(), ExceptionCode> {
        let stuck = self.fault(FaultKind::Stuck, place, asked);
        let clamp = self.fault(FaultKind::Clamp, place, asked);
        let Some(unit) = self.gateways.get_mut(place.0).and_then(|units| units.get_mut(&place.1)) else {
            return Err(ExceptionCode::GatewayTargetDevice);
        };
        let spot = |fault: &Fault| fault.point.as_deref().and_then(|point| unit.spot(point));
        let hit = |fault: &Fault, register: u16| {
            spot(fault).is_none_or(|(at, size)| (at..at.saturating_add(size)).contains(&register))
        };
        let old = unit.read(false, asked.at, asked.count).unwrap_or_default();
        let mut taken = words.to_vec();
        for ((register, word), before) in (asked.at..).zip(taken.iter_mut()).zip(old) {
            if stuck.as_ref().is_some_and(|fault| hit(fault, register)) {
                *word = before;
            }
            if let Some(fault) = clamp.as_ref().filter(|fault| hit(fault, register)) {
                *word = (*word).clamp(fault.min, fault.max.max(fault.min));
            }
        }
        let result = unit.write(asked.at, &taken, now);
        let word = match &result {
            Ok(()) if stuck.is_some() => "stuck".to_owned(),
            Ok(()) if clamp.is_some() => "clamped".to_owned(),
            Ok(()) => "ok".to_owned(),
            Err(code) => format!("exception {code}"),
        };
        self.note(place, asked.at, words, &word, now);
        result.map_err(ExceptionCode::new)
    }
}

/// The plant that `evl sim` serves where no inventory is given: one gateway `plant` with a PV
/// inverter (10 kW), a battery (5 kW, 10 kWh), a meter and a wallbox at units 1 to 4.
#[must_use]
pub fn small_plant() -> Vec<GatewaySpec> {
    let kw = |power: i64, capacity: Option<i64>| {
        let power = ("power".to_owned(), Rat::int(power));
        let capacity = capacity.map(|kwh| ("capacity".to_owned(), Rat::int(kwh)));
        std::iter::once(power).chain(capacity).collect::<BTreeMap<_, _>>()
    };
    let device = |name: &str, unit, profile: &str, serial: &str, ratings| {
        let text = EMBEDDED.iter().find(|(known, _)| *known == profile)?.1;
        let profile: Profile = serde_yaml::from_str(text).ok()?;
        Some(DeviceSpec { name: name.to_owned(), unit, profile, serial: serial.to_owned(), ratings })
    };
    let wallbox = std::iter::once(("power".to_owned(), Rat::ratio(1104, 100).unwrap_or_default())).collect();
    let devices = [
        device("solar", 1, "sunspec/inverter", "PV10K-0001", kw(10, None)),
        device("pack", 2, "sunspec/battery", "BAT5K-0002", kw(5, Some(10))),
        device("meter", 3, "sunspec/meter", "EM3P-0003", kw(20, None)),
        device("charger", 4, "heidelberg/energy-control", "", wallbox),
    ];
    vec![GatewaySpec { name: "plant".to_owned(), devices: devices.into_iter().flatten().collect() }]
}

/// The plant of an inventory: each of its gateways with the devices behind it, whose nameplates are as
/// `apply` knows them. Devices without a profile are left out.
#[must_use]
pub fn plant_of(bundle: &Bundle, inventory: &Inventory) -> Vec<GatewaySpec> {
    let names = Names::new(&bundle.site);
    let devices = |gateway: &str| {
        let behind = inventory.devices.iter().filter(|(_, device)| device.gateway == gateway);
        behind
            .filter_map(|(name, device)| {
                let family = bundle.site.family(names.device(name)?.family)?;
                let profile = bundle.profiles.get(family.profile.as_ref()?)?.clone();
                let ratings = ratings(family, &profile, Some(device));
                let serial = device.serial.clone().unwrap_or_default();
                Some(DeviceSpec { name: name.clone(), unit: device.unit, profile, serial, ratings })
            })
            .collect()
    };
    inventory.gateways.keys().map(|name| GatewaySpec { name: name.clone(), devices: devices(name) }).collect()
}
