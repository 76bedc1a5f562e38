//! All machines: lists, searches and tags.

pub(crate) mod find;
pub(crate) mod handle;
pub(crate) mod suitability;

use std::{collections::BTreeMap, net::IpAddr};

use defender_model::{Filter, Machine, MachineId, MachineName, Order, Page, TagAction, TagMachines, percent_encode};
use jiff::Timestamp;

use crate::{
    BoxStream, DefenderClient, Error, ErrorKind, List, Request,
    client::{call::Call, operation::Operation},
};

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
    pub fn find(&self, name: impl Into<String>) -> Request<Machine> {
        let name = name.into();
        let first = find::first_call(&self.client, &name);
        Request::new(&self.client, first, move |client, call| find::by_name(client, name, call.timeout))
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
        let asked = format!("tag={}&useStartsWithFilter={starts_with}", percent_encode(tag));
        List::of_machines(self.client.clone(), "/machines/findbytag".to_owned(), Operation::FIND_BY_TAG, asked)
    }

    /// Reads the record of a machine by its name. Where several have the name, the service chooses;
    /// [`find`](Self::find) says so instead.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machine-by-id>, which takes the id or the name.
    pub fn get(&self, name: impl Into<String>) -> Request<Machine> {
        let name = name.into();
        let call = name.parse::<MachineName>().map(|name| read(name.path_segment()));
        let call =
            call.map_err(|source| Error::new(ErrorKind::Request).context("GET /machines/{name}").caused_by(source));
        Request::new(&self.client, call, move |client, call| async move {
            let context = call.context();
            let machine: Machine = client.inner().call(call).await?;
            // The text may be the id of a machine, too.
            let is_it = find::is_named(&machine, &name) || machine.id.as_str().eq_ignore_ascii_case(&name);
            if is_it { Ok(machine) } else { Err(another(context, &machine)) }
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
    pub fn add_tag(&self, tag: impl Into<String>, to: impl IntoIterator<Item = MachineId>) -> Request<Page<Machine>> {
        self.tag(TagMachines::new(tag, TagAction::Add, to))
    }

    /// Removes the tag from all these machines: as [`add_tag`](Self::add_tag).
    pub fn remove_tag(
        &self,
        tag: impl Into<String>,
        from: impl IntoIterator<Item = MachineId>,
    ) -> Request<Page<Machine>> {
        self.tag(TagMachines::new(tag, TagAction::Remove, from))
    }

    fn tag(&self, request: Result<TagMachines, defender_model::Error>) -> Request<Page<Machine>> {
        let ids = request.as_ref().map(|request| request.machine_ids.clone()).unwrap_or_default();
        let call = Call::new(Operation::TAG_MACHINES, "/machines/AddOrRemoveTagForMultipleMachines").json(request);
        Request::new(&self.client, call, move |client, call| async move {
            let context = call.context();
            let page = client.inner().call(call).await?;
            of_all(page, &ids).map_err(|error| error.context(context))
        })
    }

    fn all(&self) -> List<Machine> {
        List::machines(self.client.clone())
    }
}

/// Returns the call that reads the record of a machine.
pub(crate) fn read(id_or_name: impl std::fmt::Display) -> Call {
    Call::new(Operation::GET_MACHINE, format!("/machines/{id_or_name}"))
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
