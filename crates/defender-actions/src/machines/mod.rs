//! All machines: lists, searches and tags.

pub(crate) mod find;
pub(crate) mod handle;
pub(crate) mod suitability;

use std::{collections::BTreeMap, net::IpAddr};

use defender_model::{Filter, Machine, MachineId, MachineName, Order, Page, TagAction, TagMachines};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    Ask, BoxStream, DefenderClient, Error, ErrorKind, List,
    client::{call::Call, operation::Operation},
};

/// All but RFC 3986's unreserved characters, so that a value can neither end its place in a URL nor begin another.
pub(crate) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// All machines. Nothing is sent until something is awaited or its stream is polled.
///
/// ```no_run
/// use defender_actions::{DefenderClient, model::{HealthStatus, Machine}};
/// use futures_util::TryStreamExt;
///
/// # async fn example(defender: DefenderClient) -> Result<(), defender_actions::Error> {
/// let machine = defender.machines().find("ws-eng-04.contoso.com").await?;
/// defender.machine(machine.id).isolate("Ransomware").await?;
///
/// let silent = defender.machines().filter(Machine::HEALTH_STATUS.ne(HealthStatus::Active)).stream();
/// let silent: Vec<Machine> = silent.try_collect().await?;
/// # Ok(())
/// # }
/// ```
///
/// Reading needs the permission `Machine.Read.All` or `Machine.ReadWrite.All`, of a user `Machine.Read` or
/// `Machine.ReadWrite`, and changing `Machine.ReadWrite.All`, of a user `Machine.ReadWrite`.
#[derive(Clone, Debug)]
pub struct Machines {
    client: DefenderClient,
}

impl Machines {
    pub(crate) fn new(client: DefenderClient) -> Self {
        Self { client }
    }

    /// Only those of the filter. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machines>.
    pub fn filter(&self, filter: Filter<Machine>) -> List<Machine> {
        self.all().filter(filter)
    }

    /// All of them, sorted so: see [`List::order_by`].
    pub fn order_by(&self, order: Order<Machine>) -> List<Machine> {
        self.all().order_by(order)
    }

    /// All of them, with so many rows a page: see [`List::page_size`].
    pub fn page_size(&self, rows: u32) -> List<Machine> {
        self.all().page_size(rows)
    }

    /// All of them, one by one. None is an empty stream: the service answers 404 then.
    #[must_use = "nothing is sent until the stream is polled"]
    pub fn stream(&self) -> BoxStream<Result<Machine, Error>> {
        self.all().stream()
    }

    /// All of them, page by page.
    #[must_use = "nothing is sent until the stream is polled"]
    pub fn pages(&self) -> BoxStream<Result<Page<Machine>, Error>> {
        self.all().pages()
    }

    /// The machine of exactly this name, without regard to letter case: `ws-eng-04` finds neither `ws-eng-042` nor
    /// `ws-eng-04.contoso.com`.
    ///
    /// One name may belong to several machines, such as duplicates and those that were merged. Then it is
    /// [`Ambiguous`](ErrorKind::Ambiguous), and where there is none it is [`NotFound`](ErrorKind::NotFound): either way
    /// [`Error::machines`] has what there is to choose from, of machines whose names begin alike 25 at most.
    ///
    /// Only the name is compared, and never `aadDeviceId`. It takes one call as a rule, and up to three where the spelling is
    /// another than the service's, since no page says whether letter case counts in its filters.
    pub fn find(&self, name: impl Into<String>) -> Ask<Machine> {
        let (client, name) = (self.client.clone(), name.into());
        Ask::new(move |timeout| find::by_name(client, name, timeout))
    }

    /// Those that had the address within a quarter of an hour of now. [`List::one`] is the only one of them.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/find-machines-by-ip>.
    pub fn find_by_ip(&self, ip: IpAddr) -> List<Machine> {
        self.find_by_ip_at(ip, self.client.inner().clock.now())
    }

    /// Those that had the address within a quarter of an hour of that time, which the service refuses with 400 if it is more
    /// than 30 days ago.
    pub fn find_by_ip_at(&self, ip: IpAddr, time: Timestamp) -> List<Machine> {
        // The page's own form: whole seconds, and neither the parentheses nor the quotes percent-encoded.
        let seconds = Timestamp::from_second(time.as_second()).unwrap_or(time);
        let path = format!("/machines/findbyip(ip='{ip}',timestamp={seconds})");
        List::of_machines(self.client.clone(), path, Operation::FIND_BY_IP, String::new())
    }

    /// Those that have this tag.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/find-machines-by-tag>.
    pub fn find_by_tag(&self, tag: impl AsRef<str>) -> List<Machine> {
        self.tagged(tag.as_ref(), false)
    }

    /// Those that have a tag which begins so.
    pub fn find_by_tag_prefix(&self, beginning: impl AsRef<str>) -> List<Machine> {
        self.tagged(beginning.as_ref(), true)
    }

    fn tagged(&self, tag: &str, starts_with: bool) -> List<Machine> {
        let asked = format!("tag={}&useStartsWithFilter={starts_with}", utf8_percent_encode(tag, RESERVED));
        List::of_machines(self.client.clone(), "/machines/findbytag".to_owned(), Operation::FIND_BY_TAG, asked)
    }

    /// Reads the record of a machine by its name. Where several have the name, the service chooses;
    /// [`find`](Self::find) says so instead.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machine-by-id>, which takes the id or the name.
    pub fn get(&self, name: impl Into<String>) -> Ask<Machine> {
        let (client, name) = (self.client.clone(), name.into());
        Ask::new(move |timeout| async move {
            let name: MachineName = name.try_into().map_err(|source: defender_model::Error| {
                Error::new(ErrorKind::Request).context("GET /machines/{name}").caused_by(source)
            })?;
            let path = format!("/machines/{}", name.path_segment());
            let what = format!("GET {path}");
            let machine: Machine = client.inner().call(read(path, timeout)).await?;
            // The text may be the id of a machine, too.
            let is_it =
                find::is_named(&machine, name.as_str()) || machine.id.as_str().eq_ignore_ascii_case(name.as_str());
            if is_it { Ok(machine) } else { Err(another(what, &machine)) }
        })
    }

    /// Adds the tag to all these machines, in one call of 500 at most; more are refused before anything is sent. Returns the
    /// machines' records.
    ///
    /// Where the response has no record of a machine, or has another machine's, it is
    /// [`InvalidResponse`](ErrorKind::InvalidResponse): the message names the machine, [`Error::machines`] has the records that
    /// came, and calling again does no harm.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/add-or-remove-multiple-machine-tags>.
    pub fn add_tag(&self, tag: impl Into<String>, to: impl IntoIterator<Item = MachineId>) -> Ask<Page<Machine>> {
        self.tag(TagMachines::new(tag, TagAction::Add, to))
    }

    /// Removes the tag from all these machines: as [`add_tag`](Self::add_tag).
    pub fn remove_tag(&self, tag: impl Into<String>, from: impl IntoIterator<Item = MachineId>) -> Ask<Page<Machine>> {
        self.tag(TagMachines::new(tag, TagAction::Remove, from))
    }

    fn tag(&self, request: Result<TagMachines, defender_model::Error>) -> Ask<Page<Machine>> {
        const PATH: &str = "/machines/AddOrRemoveTagForMultipleMachines";
        let client = self.client.clone();
        Ask::new(move |timeout| async move {
            let unsendable = || Error::new(ErrorKind::Request).context(format!("POST {PATH}"));
            let request = request.map_err(|source| unsendable().caused_by(source))?;
            let body = serde_json::to_vec(&request).map_err(|source| unsendable().caused_by(source))?;
            let call = Call { operation: Operation::TAG_MACHINES, path: PATH.to_owned(), timeout, body: Some(body) };
            let page = client.inner().call(call).await?;
            of_all(page, &request.machine_ids).map_err(|error| error.context(format!("POST {PATH}")))
        })
    }

    fn all(&self) -> List<Machine> {
        List::machines(self.client.clone())
    }
}

/// A read of one machine.
pub(crate) fn read(path: String, timeout: Option<std::time::Duration>) -> Call {
    Call { operation: Operation::GET_MACHINE, path, timeout, body: None }
}

/// Error of a response with the record of another machine.
pub(crate) fn another(what: String, machine: &Machine) -> Error {
    unproven(format!("the response is about another machine, {}", machine.id)).context(what)
}

/// Error of a change that the response does not show to have been made. Making it again does no harm.
fn unproven(why: String) -> Error {
    Error::new(ErrorKind::InvalidResponse).message(why).retryable(true)
}

/// Returns the page if it has a record of each of these machines, and of no other.
fn of_all(page: Page<Machine>, asked: &[MachineId]) -> Result<Page<Machine>, Error> {
    const TOLD: usize = 5;
    let lower = |id: &str| id.to_ascii_lowercase();
    let mut missing: BTreeMap<String, &MachineId> = asked.iter().map(|id| (lower(id.as_str()), id)).collect();
    let foreign = page.value.iter().find(|machine| !missing.contains_key(&lower(machine.id.as_str())));
    if let Some(foreign) = foreign {
        let error = another(String::new(), foreign);
        return Err(error.with_machines(page.value));
    }
    // Of a record that cannot be read, the id may still be known.
    let unreadable = page.unreadable.iter().filter_map(|row| row.raw.get("id")?.as_str());
    for id in page.value.iter().map(|machine| machine.id.as_str()).chain(unreadable) {
        missing.remove(&lower(id));
    }
    if missing.is_empty() {
        return Ok(page);
    }
    let named = missing.values().take(TOLD).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let more = match missing.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let why =
        format!("the response does not list {named}{more}, so that it is not known whether the tag was changed there");
    Err(unproven(why).with_machines(page.value))
}
