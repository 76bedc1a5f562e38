//! Machines: handles, lists, searches, tags and suitability.

pub(crate) mod choice;
pub(crate) mod find;
mod find_all;
pub(crate) mod handle;
pub(crate) mod record;
pub(crate) mod suitability;

use std::{collections::BTreeMap, net::IpAddr};

use defender_model::{Filter, Machine, MachineId, MachineName, Order, Page, TagAction, TagMachines, percent_encode};
use jiff::Timestamp;

use self::record::{another, read, unconfirmed};
use crate::{
    BoxStream, DefenderClient, Error, ErrorKind, List, Request,
    client::{call::Call, operation::Operation},
};

impl DefenderClient {
    /// Returns the methods that find, list and tag machines. Nothing is sent.
    #[must_use]
    pub fn machines(&self) -> Machines {
        Machines::new(self.clone())
    }
}

/// Methods that find, list and tag machines. Nothing is sent until a request is awaited or a stream is polled.
///
/// ```no_run
/// use defender_actions::{DefenderClient, model::{HealthStatus, Machine}};
/// use futures_util::TryStreamExt;
///
/// # async fn example(defender: DefenderClient) -> Result<(), defender_actions::Error> {
/// let machine = defender.machines().find("ws-eng-04.contoso.com").await?;
/// defender.machine_of(&machine).isolate("Ransomware").await?;
///
/// let inactive = defender.machines().filter(Machine::HEALTH_STATUS.ne(HealthStatus::Active)).stream();
/// let inactive: Vec<Machine> = inactive.try_collect().await?;
/// # Ok(())
/// # }
/// ```
///
/// | operation | permission | delegated permission of a user |
/// |---|---|---|
/// | read | `Machine.Read.All` or `Machine.ReadWrite.All` | `Machine.Read` or `Machine.ReadWrite` |
/// | change | `Machine.ReadWrite.All` | `Machine.ReadWrite` |
#[derive(Clone, Debug)]
pub struct Machines {
    client: DefenderClient,
}

impl Machines {
    pub(crate) fn new(client: DefenderClient) -> Self {
        Self { client }
    }

    /// Returns the list of the machines that match the filter. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machines>.
    pub fn filter(&self, filter: Filter<Machine>) -> List<Machine> {
        self.all().filter(filter)
    }

    /// Returns the sorted list of all machines: see [`List::order_by`].
    pub fn order_by(&self, order: Order<Machine>) -> List<Machine> {
        self.all().order_by(order)
    }

    /// Returns the list of all machines with this page size: see [`List::page_size`].
    pub fn page_size(&self, rows: u32) -> List<Machine> {
        self.all().page_size(rows)
    }

    /// Streams all machines, one by one. If there are no machines, the service responds with 404, and the stream is empty.
    #[must_use = "nothing is sent until the stream is polled"]
    pub fn stream(&self) -> BoxStream<Result<Machine, Error>> {
        self.all().stream()
    }

    /// Streams all machines, page by page.
    #[must_use = "nothing is sent until the stream is polled"]
    pub fn pages(&self) -> BoxStream<Result<Page<Machine>, Error>> {
        self.all().pages()
    }

    /// Finds the machine of exactly this name, in any letter case: `ws-eng-04` finds neither `ws-eng-042` nor
    /// `ws-eng-04.contoso.com`.
    ///
    /// | machines of this name | result | [`Error::machines`] |
    /// |---|---|---|
    /// | one | its record | |
    /// | several, such as duplicates or merged records | [`Ambiguous`](ErrorKind::Ambiguous) | these machines |
    /// | none | [`NotFound`](ErrorKind::NotFound) | up to 25 machines whose names begin with the name |
    ///
    /// Only the name is compared, never `aadDeviceId`. The search takes one call as a rule. It takes up to three if the name is spelled
    /// differently from the service's, since no page states if filters are case-sensitive. [`request`](Request::request) returns
    /// the request for the first page of the list that is searched.
    pub fn find(&self, name: impl Into<String>) -> Request<Machine> {
        let name = name.into();
        let first = find::first_call(&self.client, &name);
        Request::new(&self.client, first, move |client, call| find::by_name(client, name, call.timeout))
    }

    /// Finds the machines of these names, each by the rules of [`find`](Self::find), and returns each name with its machine or with the
    /// error of a search for it, in the order in which they are given.
    ///
    /// ```no_run
    /// # async fn example(defender: defender_actions::DefenderClient) -> Result<(), defender_actions::Error> {
    /// for (name, found) in defender.machines().find_all(["ws-eng-04.contoso.com", "ws-eng-05.contoso.com"]).await? {
    ///     match found {
    ///         Ok(machine) => println!("{name}: {}", machine.id),
    ///         Err(error) => eprintln!("{error}"), // no machine of this name, or several
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// More than ten names are searched for in the list of all machines, which has up to 10,000 machines a page, however many names
    /// there are: 1,000 names in a tenant of 25,000 machines take three calls. Up to ten names are searched for one by one. The list shows
    /// each spelling of a name, so that it finds also duplicates whose spelling no filter of [`find`](Self::find) has. Of the machines
    /// whose names begin with a name that is not found, an error has up to five.
    ///
    /// # Errors
    ///
    /// Any error of a call that is not about one name, such as [`Forbidden`](ErrorKind::Forbidden). Then no name has a result.
    pub fn find_all<N: Into<String>>(
        &self,
        names: impl IntoIterator<Item = N>,
    ) -> Request<Vec<(String, Result<Machine, Error>)>> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let first = find_all::first_call(&self.client, &names);
        Request::new(&self.client, first, move |client, call| find_all::by_names(client, names, call.timeout))
    }

    /// Returns the list of the machines that had this address within 15 minutes of now. [`List::one`] returns the only one of them.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/find-machines-by-ip>.
    pub fn find_by_ip(&self, ip: IpAddr) -> List<Machine> {
        self.find_by_ip_at(ip, self.client.inner().clock.now())
    }

    /// Returns the list of the machines that had this address within 15 minutes of `time`. The service refuses a time of more than 30
    /// days ago with 400.
    pub fn find_by_ip_at(&self, ip: IpAddr, time: Timestamp) -> List<Machine> {
        // The form of the page: whole seconds, parentheses and quotes not percent-encoded.
        let seconds = Timestamp::from_second(time.as_second()).unwrap_or(time);
        let path = format!("/machines/findbyip(ip='{ip}',timestamp={seconds})");
        List::of_machines(self.client.clone(), path, Operation::FIND_BY_IP, String::new())
    }

    /// Returns the list of the machines with this tag.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/find-machines-by-tag>.
    pub fn find_by_tag(&self, tag: impl AsRef<str>) -> List<Machine> {
        self.tagged(tag.as_ref(), false)
    }

    /// Returns the list of the machines with a tag that begins with this text.
    pub fn find_by_tag_prefix(&self, beginning: impl AsRef<str>) -> List<Machine> {
        self.tagged(beginning.as_ref(), true)
    }

    fn tagged(&self, tag: &str, starts_with: bool) -> List<Machine> {
        let query = format!("tag={}&useStartsWithFilter={starts_with}", percent_encode(tag));
        List::of_machines(self.client.clone(), "/machines/findbytag".to_owned(), Operation::FIND_BY_TAG, query)
    }

    /// Reads the record of a machine by its name. If several machines have the name, the service chooses one;
    /// [`find`](Self::find) returns an error instead.
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

    /// Adds the tag to these machines in one call, and returns their records. The limit is 500 machines; a larger number is refused
    /// before anything is sent.
    ///
    /// A response without the record of a machine, or with the record of another machine, is
    /// [`InvalidResponse`](ErrorKind::InvalidResponse): the message names the machine, and [`Error::machines`] has the records of the
    /// response. A second call is safe.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/add-or-remove-multiple-machine-tags>.
    pub fn add_tag(&self, tag: impl Into<String>, to: impl IntoIterator<Item = MachineId>) -> Request<Page<Machine>> {
        self.tag(TagMachines::new(tag, TagAction::Add, to))
    }

    /// Removes the tag from these machines: as [`add_tag`](Self::add_tag).
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

/// Returns the page if it has a record of each of these machines, and of no other.
fn of_all(page: Page<Machine>, requested: &[MachineId]) -> Result<Page<Machine>, Error> {
    const SHOWN: usize = 5;
    let lower = |id: &str| id.to_ascii_lowercase();
    let mut missing: BTreeMap<String, &MachineId> = requested.iter().map(|id| (lower(id.as_str()), id)).collect();
    let foreign = page.value.iter().find(|machine| !missing.contains_key(&lower(machine.id.as_str())));
    if let Some(foreign) = foreign {
        let error = another(String::new(), foreign);
        return Err(error.with_machines(page.value));
    }
    // A record that cannot be read may still have an id.
    let unreadable = page.unreadable.iter().filter_map(|row| row.raw.get("id")?.as_str());
    for id in page.value.iter().map(|machine| machine.id.as_str()).chain(unreadable) {
        missing.remove(&lower(id));
    }
    if missing.is_empty() {
        return Ok(page);
    }
    let named = missing.values().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let more = match missing.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let why = format!("the response does not list {named}{more}, so the change of the tag is not confirmed there");
    Err(unconfirmed(why).with_machines(page.value))
}
