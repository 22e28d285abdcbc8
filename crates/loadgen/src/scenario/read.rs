//! Reading a scenario: from its file, or from text.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

use super::check::checked;
use super::error::{Problem, Problems, ScenarioError};
use super::file::schema;
use super::workload::check_trace;
use super::{Rows, Scenario, Start, sweep};
use crate::input;

/// A scenario is a page of text; whatever is larger was named by mistake.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

impl Scenario {
    /// Reads the scenario at `path`, and gives its text too, as the results keep it.
    ///
    /// # Errors
    /// When the file cannot be read, or its text is no scenario.
    pub fn load(path: &Path) -> Result<(Self, String), ScenarioError> {
        let unreadable = |reason| ScenarioError::Unreadable { path: path.to_owned(), reason };
        let text = input::text(path, MAX_FILE_BYTES).map_err(unreadable)?;
        let mut scenario = Self::parse(&text, path)?;
        if let Err(message) = scenario.load_trace(path) {
            let problems = vec![Problem { line: None, message }];
            return Err(ScenarioError::Invalid { path: path.to_owned(), problems });
        }
        scenario.start_servers_in(path.parent().unwrap_or(Path::new("")));
        Ok((scenario, text))
    }

    /// Commands and files of servers are meant in `folder`.
    fn start_servers_in(&mut self, folder: &Path) {
        let cells = self.sweep.iter_mut().flat_map(|cell| &mut cell.scenario.contenders);
        for contender in cells.chain(&mut self.contenders) {
            let Some(server) = &mut contender.server else { continue };
            let server = Arc::make_mut(server);
            match &mut server.start {
                Start::Command { folder: of_server, .. } => folder.clone_into(of_server),
                Start::Running { pid_file: Some(file) } => *file = folder.join(&*file),
                Start::Running { pid_file: None } => {}
            }
            if let Some(ca) = &mut server.trust.ca {
                *ca = folder.join(&*ca);
            }
        }
    }

    /// Reads the trace that it names, which lies beside `path`, and those of its cells.
    fn load_trace(&mut self, path: &Path) -> Result<(), String> {
        let mut loaded: HashMap<PathBuf, Arc<Rows>> = HashMap::new();
        let folder = path.parent().unwrap_or(Path::new(""));
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
