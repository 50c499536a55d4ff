//! Who is there, in which state: interrogates the devices of a host and reads what stands in them.
//!
//! A fault of a device excludes that device. Nothing is written here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::admission::{Admission, Shown};
use super::claim::Claim;
use super::endpoint::Endpoint;
use super::map::{DeviceMap, MapFault};
use super::session::Fault;
use crate::bundle::inventory::{Device, Inventory};
use crate::bundle::profile::{Context, Found, Identity, Level, PowerFound, Profile, Verb};
use crate::bundle::{Bundle, disagreement};
use crate::diag::{Code, codes};
use crate::ir::{Attr, Device as IrDevice, FailSafeBy, Family, Role};
use crate::quantity::Rat;

/// Longest wait for one answer where the inventory says nothing.
const ANSWER: Duration = Duration::from_secs(1);
/// How long those that keep silent wait for somebody else to show that their gateway answers; less than
/// the time in which a dead gateway is named.
const HEARS: Duration = Duration::from_millis(600);

/// A device that answers and may be commanded.
#[derive(Debug, Clone)]
pub struct Ready {
    /// its registers
    pub map: DeviceMap,
    /// what gives them their meaning
    pub context: Context,
    /// raw values of all its points
    pub raws: BTreeMap<String, i64>,
    /// what the registers say
    pub found: Found,
    /// what it showed of itself, for people: `serial PV10K-0001`, `bound to unit 4`
    pub shown: String,
    /// the serial number that it showed, if any
    pub serial: Option<String>,
    /// alarms that it raises
    pub alarms: Vec<String>,
    /// where it says of itself something else than the inventory does
    pub remarks: Vec<String>,
    /// why it may not be commanded; it is then only read
    pub barred: Option<Excluded>,
    /// when it was read
    pub read_at: Instant,
}

impl Ready {
    /// The device, if it may be commanded.
    ///
    /// # Errors
    /// Why not.
    pub fn commandable(self) -> Result<Self, Excluded> {
        match self.barred {
            Some(excluded) => Err(excluded),
            None => Ok(self),
        }
    }
}

/// Why a device takes no part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excluded {
    /// permanent code
    pub code: Code,
    /// in words that follow the device's name
    pub reason: String,
}

/// A device of the inventory with everything that documents say about it.
#[derive(Debug, Clone)]
pub struct Subject {
    /// its name
    pub name: String,
    /// its place in the policy
    pub device: IrDevice,
    /// its gateway
    pub gateway: String,
    /// its entry in the inventory
    pub entry: Device,
    /// its declaration
    pub family: Family,
    /// its profile
    pub profile: Profile,
    /// nameplate values: the inventory's, else the policy's, else the profile's
    pub ratings: BTreeMap<String, Rat>,
    /// where it goes by itself, kW, without a sign
    pub fail_safe: Rat,
}

impl Subject {
    /// The devices of `gateways` that have a profile, by gateway and then by name.
    #[must_use]
    pub fn all(bundle: &Bundle, inventory: &Inventory, gateways: &BTreeSet<String>) -> Vec<Self> {
        let names = crate::bundle::Names::new(&bundle.site);
        let mut subjects: Vec<Self> = inventory
            .devices
            .iter()
            .filter(|(_, entry)| gateways.contains(&entry.gateway))
            .filter_map(|(name, entry)| {
                let device = names.device(name)?;
                let family = bundle.site.family(device.family)?;
                let profile = bundle.profiles.get(family.profile.as_ref()?)?;
                let ratings = crate::bundle::ratings(family, profile, Some(entry));
                let fail_safe = fail_safe(family, profile, &ratings);
                Some(Self {
                    name: name.clone(),
                    device,
                    gateway: entry.gateway.clone(),
                    entry: entry.clone(),
                    family: family.clone(),
                    profile: profile.clone(),
                    ratings,
                    fail_safe,
                })
            })
            .collect();
        subjects.sort_by(|a, b| (&a.gateway, &a.name).cmp(&(&b.gateway, &b.name)));
        subjects
    }

    /// Everything the device can do, kW into its bus.
    #[must_use]
    pub fn widest(&self) -> Claim {
        let hull = |attr: &Attr| self.family.hull(attr).map(|(_, hi)| hi);
        let rated = || self.ratings.get("power").cloned().unwrap_or(Rat::ZERO);
        match self.family.role {
            Role::Storage => {
                let charge = hull(&Attr::Charge).unwrap_or_else(rated);
                Claim { lo: -&charge, hi: hull(&Attr::Discharge).unwrap_or_else(rated) }
            }
            Role::Producer => Claim { lo: Rat::ZERO, hi: hull(&Attr::Power).unwrap_or_else(rated) },
            Role::Consumer => Claim { lo: -&hull(&Attr::Power).unwrap_or_else(rated), hi: Rat::ZERO },
            Role::Control | Role::Slot => Claim::exactly(Rat::ZERO),
        }
    }

    /// What the device may give in the state that its registers show. `available` is what a producer
    /// could give in this step, where the plan knows it.
    #[must_use]
    pub fn claim(&self, found: &Found, available: Option<&Rat>) -> Claim {
        if found.connected == Some(false) || found.on == Some(false) {
            return Claim::exactly(Rat::ZERO);
        }
        let capped = |value: &Rat| available.map_or_else(|| value.clone(), |most| Rat::min_of(most, value));
        match &found.power {
            // what keeps a meter does whatever that takes
            PowerFound::Unknown | PowerFound::Commanded { verb: Verb::Follow, .. } => self.widest(),
            PowerFound::Released => match available {
                Some(most) => Claim::exactly(most.clone()),
                None => self.widest(),
            },
            PowerFound::Commanded { verb, form, value } => {
                use crate::bundle::profile::Form;
                let value = match self.family.role {
                    Role::Producer => capped(value),
                    _ => value.clone(),
                };
                let signed = match (verb, self.family.role) {
                    (Verb::Charge, _) | (Verb::Power, Role::Consumer) => -&value,
                    _ => value,
                };
                match form {
                    // what a producer is allowed it gives, as far as it can
                    Form::AtMost if self.family.role == Role::Producer && available.is_some() => {
                        Claim::exactly(signed)
                    }
                    Form::Fixed => Claim::exactly(signed),
                    Form::AtMost => Claim::between(Rat::ZERO, signed),
                    Form::AtLeast => self.widest(),
                }
            }
        }
    }
}

fn fail_safe(family: &Family, profile: &Profile, ratings: &BTreeMap<String, Rat>) -> Rat {
    let rated = ratings.get("power").cloned().unwrap_or(Rat::ZERO);
    match &family.fail_safe {
        Some(safe) if safe.by != FailSafeBy::None => {
            safe.at.as_ref().map_or(Rat::ZERO, |(_, value)| value.clone())
        }
        _ => match profile.fail_safe.as_ref().map(|safe| &safe.power) {
            Some(Level::Power(power)) => power.value.clone(),
            Some(Level::Rated) | None => rated,
        },
    }
}

/// Starts the endpoint of each gateway. `places` replaces the inventory's addresses.
#[must_use]
pub fn endpoints(inventory: &Inventory, gateways: &BTreeSet<String>) -> BTreeMap<String, Endpoint> {
    // two names of one place share its session: some gateways take one alone
    let mut places: BTreeMap<(String, u16), Endpoint> = BTreeMap::new();
    let mut start = |name: &String| {
        let gateway = inventory.gateways.get(name)?;
        let limit = gateway.timeout.as_ref().map_or(ANSWER, |timeout| {
            let millis =
                (&timeout.value * &Rat::int(1000)).ceil().to_i64().and_then(|ms| u64::try_from(ms).ok());
            Duration::from_millis(millis.unwrap_or(1000).clamp(10, 60_000))
        });
        let place = (gateway.host.clone(), gateway.port);
        let here = |entry: &&Device| {
            inventory.gateways.get(&entry.gateway).map(|g| (&g.host, g.port))
                == Some((&gateway.host, gateway.port))
        };
        let units: BTreeSet<u8> = inventory.devices.values().filter(here).map(|entry| entry.unit).collect();
        let fresh = || Endpoint::start(&gateway.host, gateway.port, limit, units.len());
        Some((name.clone(), places.entry(place).or_insert_with(fresh).clone()))
    };
    gateways.iter().filter_map(&mut start).collect()
}

/// What became of each device.
pub type Probed = BTreeMap<String, Result<Ready, Excluded>>;

/// Interrogates all devices, gateways side by side and the devices of one gateway in turn.
pub async fn probe(
    subjects: &[Subject],
    endpoints: &BTreeMap<String, Endpoint>,
    admission: &Admission,
) -> Probed {
    let mut tasks = JoinSet::new();
    for (gateway, endpoint) in endpoints {
        let mine: Vec<Subject> = subjects.iter().filter(|s| s.gateway == *gateway).cloned().collect();
        if mine.is_empty() {
            continue;
        }
        let (endpoint, admission) = (endpoint.clone(), admission.clone());
        tasks.spawn(async move { behind(&mine, &endpoint, &admission).await });
    }
    let mut probed = Probed::new();
    while let Some(results) = tasks.join_next().await {
        probed.extend(results.unwrap_or_default());
    }
    probed
}

/// Interrogates the devices of one gateway.
async fn behind(subjects: &[Subject], endpoint: &Endpoint, admission: &Admission) -> Probed {
    let silent = |result: &Result<Ready, Excluded>| {
        result.as_ref().err().is_some_and(|excluded| excluded.code == codes::DEAD_GATEWAY)
    };
    let mut results = Probed::new();
    let (mut answers, begun) = (false, Instant::now());
    for subject in subjects {
        let result = interrogate(subject, endpoint.clone(), admission).await;
        answers |= !silent(&result);
        results.insert(subject.name.clone(), result);
    }
    // others behind the gateway may be asked beside these, and show that it lives
    if !answers && !endpoint.hears(subjects.len(), begun, begun + HEARS).await {
        return results;
    }
    // whoever was cut short before the gateway had shown that it lives is asked once more, and what
    // keeps silent then is the device, not the gateway
    for subject in subjects {
        if !results.get(&subject.name).is_some_and(silent) {
            continue;
        }
        let result = interrogate(subject, endpoint.clone(), admission).await.map_err(|mut excluded| {
            if excluded.code == codes::DEAD_GATEWAY {
                excluded.code = codes::STATE_UNKNOWN;
                let gateway = format!("its gateway at {} ", endpoint.place());
                let how = excluded.reason.strip_prefix(&gateway).unwrap_or(&excluded.reason);
                excluded.reason = format!("it {how}, although its gateway answers");
            }
            excluded
        });
        results.insert(subject.name.clone(), result);
    }
    results
}

fn exclude(code: Code, reason: impl Into<String>) -> Excluded {
    Excluded { code, reason: reason.into() }
}

fn of_fault(fault: &MapFault, endpoint: &Endpoint) -> Excluded {
    let place = endpoint.place();
    let dead = |words: &str, fault: &Fault| {
        exclude(codes::DEAD_GATEWAY, format!("its gateway at {place} {words} {fault}"))
    };
    let wire = match fault {
        MapFault::Wire(Fault::GivenUp(last)) => last,
        MapFault::Wire(fault) => fault,
        _ => return exclude(codes::WRONG_DEVICE, fault.to_string()),
    };
    match wire {
        Fault::Unreachable(_) => dead("is", wire),
        Fault::Exception(10 | 11) => {
            exclude(codes::STATE_UNKNOWN, format!("it does not answer through its gateway: {wire}"))
        }
        Fault::Exception(_) => exclude(codes::STATE_UNKNOWN, format!("it answers, and reading it is {wire}")),
        Fault::NoAnswer(_) | Fault::Closed | Fault::WrongAnswer(_) | Fault::GivenUp(_) => dead("gives", wire),
    }
}

async fn interrogate(
    subject: &Subject,
    endpoint: Endpoint,
    admission: &Admission,
) -> Result<Ready, Excluded> {
    let profile = &subject.profile;
    let fault = |fault: MapFault| of_fault(&fault, &endpoint);
    let map = DeviceMap::discover(endpoint.clone(), subject.entry.unit, profile).await.map_err(fault)?;
    // what can be overridden without its register showing it is read before anything else: the reading
    // itself may restart the watchdog that had cut it
    let first = map.read(&in_effect_points(profile)).await.map_err(|wire| fault(wire.into()))?;
    let shown = identify(subject, &map).await.map_err(fault)?;
    if let (Some(serial), Some(expected)) = (&shown.serial, &subject.entry.serial)
        && serial != expected
    {
        return Err(exclude(
            codes::WRONG_DEVICE,
            format!("it shows the serial number `{serial}`, the inventory says `{expected}`"),
        ));
    }
    let disagrees = disagreement(&subject.family, profile);
    let disagrees = disagrees.map(|words| exclude(codes::PROFILE_MISMATCH, format!("it {words}")));
    let mut barred = admission.admit(subject, &shown).err().or(disagrees);
    let mut context = map.context(profile, subject.ratings.clone()).await.map_err(fault)?;
    let remarks = own_ratings(profile, &mut context);
    let read_at = Instant::now();
    let all: BTreeSet<&str> = profile.points.keys().map(String::as_str).collect();
    let mut raws = map.read(&all).await.map_err(|wire| fault(wire.into()))?;
    raws.extend(first);
    for refusal in &profile.refuse_when {
        if raws.get(&refusal.point).is_some_and(|raw| refusal.holds(*raw)) {
            let because = if refusal.because.is_empty() { "its own setting" } else { &refusal.because };
            let local = exclude(codes::LOCAL_CONTROL, format!("it takes no commands: {because}"));
            barred = barred.or(Some(local));
        }
    }
    let alarms = profile
        .alarm_when
        .iter()
        .filter(|alarm| raws.get(&alarm.point).is_some_and(|raw| alarm.holds(*raw)))
        .map(|alarm| {
            let raw = raws.get(&alarm.point).copied().unwrap_or_default();
            format!("{} (`{}` is {raw})", alarm.because, alarm.point)
        })
        .collect();
    let found = profile.decode(&raws, &context);
    let words = shown.words(subject);
    Ok(Ready {
        map,
        context,
        raws,
        found,
        shown: words,
        serial: shown.serial,
        alarms,
        remarks,
        barred,
        read_at,
    })
}

/// What registers count in shares of is what the device says, wherever it says it: by the inventory's
/// value a share would be another power than the one that was meant.
fn own_ratings(profile: &Profile, context: &mut Context) -> Vec<String> {
    let mut remarks = Vec::new();
    // a point that is measured shows what the device does, not what it can
    let measured = |name: &String| profile.measures.values().any(|measure| measure.point == *name);
    for (name, own) in context.readings.iter().filter(|(name, _)| !measured(name)) {
        let Some(written) = context.ratings.get(name).filter(|_| own.is_positive()) else { continue };
        if written != own {
            let unit = profile.point(name).and_then(|point| point.unit.as_deref());
            let unit = if matches!(unit, Some("W" | "kW" | "VA")) { " kW" } else { "" };
            remarks.push(format!(
                "it says `{name}` {}{unit}, the inventory {}{unit}: its own value counts",
                own.to_decimal(3),
                written.to_decimal(3)
            ));
        }
        context.ratings.remove(name);
    }
    remarks
}

/// The points that show values in effect, and those that say whether they show anything.
pub(super) fn in_effect_points(profile: &Profile) -> BTreeSet<&str> {
    let effects = profile.points.values().filter_map(|point| point.in_effect.as_ref());
    let points = effects.flat_map(|effect| {
        let when = effect.only_when.as_ref().map(|when| when.point.as_str());
        std::iter::once(effect.point.as_str()).chain(when)
    });
    points.collect()
}

/// Whether the device that answers is still the one that was asked.
///
/// # Errors
/// It does not answer.
pub(super) async fn still_there(subject: &Subject, ready: &Ready) -> Result<bool, MapFault> {
    match (&subject.profile.identity, &ready.serial) {
        (Identity::Points(identity), Some(serial)) => match &identity.serial {
            Some(address) => Ok(ready.map.text(address, identity.text_registers).await? == *serial),
            None => Ok(true),
        },
        _ => Ok(true),
    }
}

async fn identify(subject: &Subject, map: &DeviceMap) -> Result<Shown, MapFault> {
    let Identity::Points(identity) = &subject.profile.identity else { return Ok(Shown::default()) };
    let mut shown = Shown::default();
    for (address, text) in [
        (&identity.maker, &mut shown.maker),
        (&identity.model, &mut shown.model),
        (&identity.serial, &mut shown.serial),
    ] {
        if let Some(address) = address {
            *text = Some(map.text(address, identity.text_registers).await?);
        }
    }
    Ok(shown)
}
