//! The supervisor as the API sees it.

use std::sync::PoisonError;

use async_trait::async_trait;
use bytes::Bytes;
use granary_catalog::{
    Belt, EventKind, EventType, Harvester, Object, Project, StartPosition, Status, Wanted,
};
use granary_db::{definitions, eventstore, live_segment, roles};
use tracing::info;

use super::{Supervisor, launch};
use crate::api::runtime::{CheckError, ComponentKind, ErrorKind, Runtime, RuntimeError, StatusReport};
use crate::harvester::trial::{Trial, Tried};
use crate::stage::Error;
use crate::stage::totals::Totals;

#[async_trait]
impl Runtime for Supervisor {
    async fn start(&self, object: &Object, from: Option<StartPosition>) -> Result<Status, RuntimeError> {
        match self.together() {
            Some(together) => match self.report(object).status {
                up if up.is_up() => Ok(up),
                _ => self.ask(together, object, from).await.map_err(of_db),
            },
            None => Ok(self.launch(object, from).await.status),
        }
    }

    async fn stop(&self, object: &Object) -> Result<Status, RuntimeError> {
        Ok(self.halt(object).status)
    }

    async fn restart(&self, object: &Object) -> Result<Status, RuntimeError> {
        if let Some(together) = self.together() {
            return self.ask(together, object, None).await.map_err(of_db);
        }
        self.halt_and_wait(object).await;
        Ok(self.launch(object, None).await.status)
    }

    async fn replace(&self, object: &Object) -> Result<Status, RuntimeError> {
        if let Some(together) = self.together() {
            return match self.report(object).status {
                Status::Stopped => Ok(Status::Stopped),
                _ => self.ask(together, object, None).await.map_err(of_db),
            };
        }
        Supervisor::replace(self, object).await.map(|report| report.status).map_err(of_stage)
    }

    async fn remove(&self, object: &Object) -> Result<(), RuntimeError> {
        match self.together() {
            Some(together) => {
                // The other processes stop what is not wanted, and nobody starts it again meanwhile.
                let client = self.0.shared.db.client().await.map_err(of_db)?;
                definitions::set_wanted(&client, object, Wanted::Stopped).await.map_err(of_db)?;
                drop(client);
                self.halt_everywhere(together, object).await.map_err(of_db)?;
            }
            None => self.halt_and_wait(object).await,
        }
        granary_db::cursors::delete_stage(&self.0.shared.db, &object.stage_id()).await.map_err(of_db)?;
        self.0.logs.remove(&object.stage_id());
        self.0.totals.lock().unwrap_or_else(PoisonError::into_inner).remove(object);
        Ok(())
    }

    fn status(&self, object: &Object) -> StatusReport {
        self.report(object)
    }

    fn totals(&self, object: &Object) -> Totals {
        self.0.totals(object)
    }

    fn logs(&self, object: &Object, step: &str, lines: usize) -> Vec<String> {
        self.0.logs.ring(&object.stage_id(), step).last(lines)
    }

    fn retry_asked(&self, stages: &[String]) {
        self.wake_for_retry(stages);
    }

    fn definition_changed(&self, object: &Object) {
        self.outdate(object);
    }

    async fn check_belt(
        &self,
        belt: &Belt,
        outputs: &[(String, EventKind)],
    ) -> Result<Vec<String>, CheckError> {
        self.0.check_belt(belt, outputs).await
    }

    async fn check_component(&self, kind: ComponentKind, bytes: Bytes) -> Result<(), CheckError> {
        self.0.check_component(kind, bytes).await
    }

    async fn check_transform(&self, harvester: &Harvester) -> Result<Vec<String>, CheckError> {
        self.0.check_transform(harvester).await
    }

    async fn try_harvester(&self, trial: Trial) -> Result<(Vec<String>, Vec<Tried>), CheckError> {
        self.0.try_harvester(trial).await
    }

    async fn project_created(&self, project: &Project) -> Result<(), RuntimeError> {
        roles::create_project_schema(&self.0.shared.db, &project.name).await.map_err(of_db)?;
        Ok(())
    }

    async fn event_type_created(&self, event_type: &EventType) -> Result<(), RuntimeError> {
        let db = &self.0.shared.db;
        match event_type.kind {
            EventKind::DataIn => {
                eventstore::create(db, &event_type.project, &event_type.name).await.map_err(of_db)?;
            }
            EventKind::LiveSegment => {
                let schema = event_type.live_segment_schema().ok_or_else(|| {
                    RuntimeError::new(
                        ErrorKind::Failed,
                        "the stored schema of the live segment cannot be read",
                    )
                })?;
                live_segment::create(db, &event_type.project, &event_type.name, schema.columns())
                    .await
                    .map_err(of_db)?;
            }
            _ => {}
        }
        if event_type.kind.has_stream() {
            launch::ensure_topic(&self.0.shared.log, event_type).await.map_err(of_stage)?;
        }
        Ok(())
    }

    async fn event_type_updated(&self, old: &EventType, new: &EventType) -> Result<(), RuntimeError> {
        if let (Some(before), Some(after)) = (old.live_segment_schema(), new.live_segment_schema()) {
            let changes = after
                .check_evolution(&before)
                .map_err(|reasons| RuntimeError::new(ErrorKind::Refused, reasons.join("; ")))?;
            live_segment::alter(&self.0.shared.db, &new.project, &new.name, &changes).await.map_err(of_db)?;
            // The persister goes on with the new columns at once: it validates what belts of either version write.
            let persister = Object::LiveSegmentPersister(new.name.clone());
            if let Some(together) = self.together() {
                if self.report(&persister).status.is_up() {
                    self.ask(together, &persister, None).await.map_err(of_db)?;
                }
            } else if self.report(&persister).status.is_up() {
                self.halt_and_wait(&persister).await;
                self.launch(&persister, None).await;
            }
        }
        // Whoever uses `latest` runs with the old version until it is restarted.
        let client = self.0.shared.db.client().await.map_err(of_db)?;
        for harvester in definitions::harvester::of_event_type(&client, &new.name).await.map_err(of_db)? {
            self.outdate(&harvester.definition.object());
        }
        for belt in definitions::belt::writing(&client, &new.name).await.map_err(of_db)? {
            self.outdate(&belt.definition.object());
        }
        Ok(())
    }

    async fn event_type_deleted(&self, event_type: &EventType) -> Result<(), RuntimeError> {
        let db = &self.0.shared.db;
        match event_type.kind {
            // The events stay in the eventstore; they expire there.
            EventKind::DataIn => {
                eventstore::remove(db, &event_type.project, &event_type.name).await.map_err(of_db)?;
            }
            EventKind::LiveSegment => {
                live_segment::remove(db, &event_type.project, &event_type.name).await.map_err(of_db)?;
            }
            _ => {}
        }
        if let Some(topic) = event_type.topic_name() {
            granary_db::cursors::delete_topic_rows(db, &topic).await.map_err(of_db)?;
            self.0
                .shared
                .log
                .delete_topic(&topic)
                .await
                .map_err(|e| RuntimeError::new(ErrorKind::Failed, e.to_string()))?;
            self.0.shared.book.forget(&topic);
        }
        Ok(())
    }
}

impl Supervisor {
    /// Brings up what is stored: streams and relations of every definition (a crash may have left some out), then
    /// everything that was running.
    ///
    /// # Errors
    /// When the definitions cannot be read or brought up.
    pub async fn resume(&self) -> anyhow::Result<()> {
        let client = self.0.shared.db.client().await?;
        for project in definitions::project::list(&client).await? {
            self.project_created(&project.definition).await?;
        }
        for event_type in definitions::event_type::all(&client).await? {
            self.event_type_created(&event_type).await?;
        }
        if self.together().is_some() {
            // What is wanted is read again and again.
            return Ok(());
        }
        let wanted = definitions::wanted(&client).await?;
        for object in &wanted {
            self.launch(object, None).await;
        }
        info!(objects = wanted.len(), "started what was running");
        Ok(())
    }
}

fn of_db(error: granary_db::Error) -> RuntimeError {
    let kind = if error.is_unavailable() { ErrorKind::Unavailable } else { ErrorKind::Failed };
    RuntimeError::new(kind, error.to_string())
}

fn of_stage(error: Error) -> RuntimeError {
    let kind = match error {
        Error::Unavailable(_) | Error::Stopped => ErrorKind::Unavailable,
        Error::Final(_) => ErrorKind::Failed,
    };
    RuntimeError::new(kind, error.to_string())
}
