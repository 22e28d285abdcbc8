//! Reading a scenario: from its file, or from text.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

use super::check::checked;
use super::error::{Problem, Problems, ScenarioError};
use super::file::schema;
use super::limits::MAX_FILE_BYTES;
use super::preset_files::with_preset_files;
use super::workload::check_trace;
use super::{Proxy, Rows, Scenario, SeenBy, Start, sweep};
use crate::input;

impl Scenario {
    /// Reads the scenario at `path`, and gives its text too, as the results keep it.
    ///
    /// # Errors
    /// When the file cannot be read, or its text is no scenario.
    pub fn load(path: &Path) -> Result<(Self, String), ScenarioError> {
        let unreadable = |reason| ScenarioError::Unreadable { path: path.to_owned(), reason };
        let text = input::text(path, MAX_FILE_BYTES).map_err(unreadable)?;
        Self::in_folder(text, path, path.parent().unwrap_or(Path::new("")))
    }

    /// Reads a scenario from its text, and what it names in `folder`; `path` is where messages say that it
    /// came from.
    ///
    /// # Errors
    /// When something of it cannot be read, or the text is no scenario.
    pub(crate) fn in_folder(
        text: String,
        path: &Path,
        folder: &Path,
    ) -> Result<(Self, String), ScenarioError> {
        let invalid = |problems| ScenarioError::Invalid { path: path.to_owned(), problems };
        let text = with_preset_files(text, folder).map_err(invalid)?;
        let mut scenario = Self::parse(&text, path)?;
        if let Err(message) = scenario.load_trace(folder) {
            return Err(invalid(vec![Problem { line: None, message }]));
        }
        scenario.start_servers_in(folder);
        Ok((scenario, text))
    }

    /// Commands and files of servers and proxies are meant in `folder`.
    fn start_servers_in(&mut self, folder: &Path) {
        let cells = self.sweep.iter_mut().flat_map(|cell| &mut cell.scenario.contenders);
        for contender in cells.chain(&mut self.contenders) {
            if let Some(Proxy { folder: Some(of_proxy), .. }) =
                contender.road.proxy.as_mut().map(Arc::make_mut)
            {
                folder.clone_into(of_proxy);
            }
            let Some(server) = &mut contender.server else { continue };
            let server = Arc::make_mut(server);
            match &mut server.start {
                Start::Command { folder: of_server, .. } => folder.clone_into(of_server),
                Start::Running { seen: Some(SeenBy::PidFile(path) | SeenBy::Cgroup(path)) } => {
                    *path = folder.join(&*path);
                }
                Start::Running { seen: None } => {}
            }
            if let Some(ca) = &mut server.trust.ca {
                *ca = folder.join(&*ca);
            }
        }
    }

    /// Reads the trace that it names, which lies in `folder`, and those of its cells.
    fn load_trace(&mut self, folder: &Path) -> Result<(), String> {
        let mut loaded: HashMap<PathBuf, Arc<Rows>> = HashMap::new();
        let cells = self.sweep.iter_mut().map(|cell| &mut cell.scenario.workload);
        for workload in cells.chain([&mut self.workload]) {
            let Some(trace) = &workload.trace else { continue };
            let file = folder.join(&trace.file);
            let rows = match loaded.get(&file) {
                Some(rows) => Arc::clone(rows),
                None => Arc::new(Rows::load(&file)?),
            };
            loaded.insert(file, Arc::clone(&rows));
            check_trace(workload, &rows)?;
            workload.channels = rows.channels();
            if let Some(trace) = &mut workload.trace {
                trace.rows = rows;
            }
        }
        Ok(())
    }

    /// Reads a scenario from its text; `path` is where messages say that it came from. A trace that
    /// it names is not read: what follows from results needs none.
    ///
    /// # Errors
    /// When the text is no scenario: with every problem of the first kind that is found, in the
    /// order syntax, keys and types, values, values that contradict each other.
    pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Self, ScenarioError> {
        parse(text)
            .map_err(|problems| ScenarioError::Invalid { path: path.as_ref().to_owned(), problems })
    }
}

fn parse(text: &str) -> Result<Scenario, Vec<Problem>> {
    let mut problems = Problems::new(text);
    let table = DeTable::parse(text).map_err(|error| problems.only(&error))?;
    let schema = schema();
    let mut scenario = checked(table.clone(), &schema, &mut problems)?;
    scenario.sweep = sweep::cells(text, table, &schema, &mut problems)?;
    Ok(scenario)
}
