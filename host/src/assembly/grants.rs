//! What a connection may reach, with every reference followed.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::connector::{Failure, FailureKind};
use crate::error::{Result, codes};
use crate::plugin::{
    Access, Breaker, Budget, CredentialError, Database, FilesRoot, Grants, HttpOrigin, HttpSettings, PluginError,
    PrivateAddresses, http_client,
};
use crate::project::{self, Connection, HttpGrant, Origin};
use crate::store::PrivateFiles;
use crate::world::World;

/// The folder, below the state's, of what is kept about requests.
const HTTP_FOLDER: &str = "http";

/// Makes the grants of all connections; what they share is made once.
pub(super) struct Grantor {
    access: Access,
    world: World,
    files: PrivateFiles,
    breakers: HashMap<Origin, Arc<Mutex<Breaker>>>,
}

impl Grantor {
    pub fn new(project: &Path, access: Access, world: World) -> Self {
        Self { access, world, files: PrivateFiles::of(project, HTTP_FOLDER), breakers: HashMap::new() }
    }

    pub fn grants(&mut self, connection: &Connection) -> Result<Grants> {
        let mut grants = Grants::none(connection.name.as_str());
        for (alias, grant) in &connection.files {
            grants.files.insert(alias.clone(), FilesRoot::new(grant.path.clone(), self.access));
        }
        for (alias, grant) in &connection.sql {
            grants.sql.insert(alias.clone(), database(connection, alias, grant, self.access)?);
        }
        if connection.http.is_empty() {
            return Ok(grants);
        }
        let budget = Arc::new(Budget::new(connection.name.as_str(), &connection.budget, self.files.clone()));
        for (alias, grant) in &connection.http {
            grants.http.insert(alias.clone(), self.origin(connection, alias, grant, budget.clone())?);
        }
        Ok(grants)
    }

    /// The grants as they are made for a run, without credentials: whoever looks at them need not have any. A database that only
    /// its URL names is left out where that leads nowhere.
    pub fn without_credentials(&mut self, connection: &Connection) -> Result<Grants> {
        let mut bare = connection.clone();
        for grant in bare.http.values_mut() {
            (grant.auth, grant.authorities) = (None, None);
        }
        bare.sql.retain(|alias, grant| database(connection, alias, grant, self.access).is_ok());
        self.grants(&bare)
    }

    fn origin(
        &mut self,
        connection: &Connection,
        alias: &str,
        grant: &HttpGrant,
        budget: Arc<Budget>,
    ) -> Result<HttpOrigin> {
        let origin = url::Url::parse(&grant.origin.to_string())
            .map_err(|error| PluginError::Engine(format!("`{}` is not a URL: {error}", grant.origin)))?;
        let origin = HttpOrigin::new(HttpSettings {
            origin,
            private: if grant.allow_private { PrivateAddresses::Allowed } else { PrivateAddresses::Refused },
            authorities: authorities(connection, alias, grant)?,
            budget,
            breaker: self.breakers.entry(grant.origin.clone()).or_default().clone(),
            world: self.world.clone(),
        })?;
        let Some(auth) = &grant.auth else { return Ok(origin) };
        // No name holds a dot, so no two files have one name.
        let name = format!("{}.{alias}", connection.name);
        origin.with_credential(auth, self.files.clone(), &name).map_err(|error| match error {
            CredentialError::Secret(errors) => errors.into(),
            unfit => unfit.into_failure().into(),
        })
    }
}

/// The authorities a grant names besides the system's.
fn authorities(
    connection: &Connection,
    alias: &str,
    grant: &HttpGrant,
) -> Result<Vec<http_client::Certificate>, Failure> {
    let Some(path) = &grant.authorities else { return Ok(Vec::new()) };
    let unfit = |reason: String| {
        let message =
            format!("`connection.{}.http.{alias}.ca`: `{}` cannot be used: {reason}", connection.name, path.display());
        Failure::new(FailureKind::Config, &codes::PROJECT_VALUE, &grant.place.to_string(), message)
            .with("hint", "it is a file with one or more certificates in PEM: `-----BEGIN CERTIFICATE-----`")
    };
    let pem = std::fs::read(path).map_err(|error| unfit(error.to_string()))?;
    http_client::authorities(&pem).map_err(unfit)
}

fn database(connection: &Connection, alias: &str, grant: &project::SqlGrant, access: Access) -> Result<Database> {
    let origin = format!("{}.{alias}", connection.name);
    match &grant.database {
        project::Database::Path(path) => Ok(Database::sqlite(path, &origin, access)?),
        project::Database::Url(reference) => {
            let usage = project::SecretUse::of_database(reference, &connection.name, alias, &grant.place);
            let url = usage.resolve()?;
            Ok(Database::at(url.expose(), &origin).map_err(|failure| {
                let message = format!("`{}`: {}", usage.path, failure.message);
                Failure { origin: grant.place.to_string(), message, ..failure }
            })?)
        }
    }
}
