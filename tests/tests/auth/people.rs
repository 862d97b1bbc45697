//! A cluster whose permissions count, and those who ask it.

use anyhow::Context as _;
use bytes::Bytes;
use mini_etcd_proto::authpb::{Permission, UserAddOptions, permission::Type};
use mini_etcd_proto::etcdserverpb as pb;
use mini_etcd_proto::etcdserverpb::auth_client::AuthClient;
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::lease_client::LeaseClient;
use mini_etcd_proto::v3electionpb::CampaignRequest;
use mini_etcd_proto::v3electionpb::election_client::ElectionClient;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// Somebody who asks one member.
#[derive(Clone, Debug)]
pub struct Person {
    pub channel: Channel,
    pub name: &'static str,
    /// None for who has not logged in.
    pub token: Option<String>,
}

/// Who asks, in the order of the table. Only the last one may change users, so the table goes by rows.
pub const PEOPLE: [&str; 7] =
    ["nobody", "stranger", "without role", "reader", "writer", "owner", "root"];

impl Person {
    pub fn nobody(channel: &Channel) -> Self {
        Self { channel: channel.clone(), name: "nobody", token: None }
    }

    /// Logs in; the password is the name.
    pub async fn login(channel: &Channel, name: &'static str) -> anyhow::Result<Self> {
        let request = pb::AuthenticateRequest { name: name.to_owned(), password: name.to_owned() };
        let answer = AuthClient::new(channel.clone()).authenticate(request).await;
        let token = answer.context("a login")?.into_inner().token;
        Ok(Self { channel: channel.clone(), name, token: Some(token) })
    }

    /// The same after another login; who has none stays who it is.
    pub async fn again(&self) -> anyhow::Result<Self> {
        if ["nobody", "stranger"].contains(&self.name) {
            return Ok(self.clone());
        }
        Self::login(&self.channel, self.name).await
    }

    /// The same at another member.
    pub fn at(&self, channel: &Channel) -> Self {
        Self { channel: channel.clone(), ..self.clone() }
    }

    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("token", token.parse().expect("a token is a text"));
        }
        request
    }

    pub fn kv(&self) -> KvClient<Channel> {
        KvClient::new(self.channel.clone())
    }

    pub fn auth(&self) -> AuthClient<Channel> {
        AuthClient::new(self.channel.clone())
    }

    pub fn lease(&self) -> LeaseClient<Channel> {
        LeaseClient::new(self.channel.clone())
    }

    pub async fn put(&self, key: &str, lease: i64) -> Result<i64, Status> {
        let (key, value) = (key.to_owned().into(), Bytes::from_static(b"v"));
        let put = pb::PutRequest { key, value, lease, ..pb::PutRequest::default() };
        let answer = self.kv().put(self.request(put)).await?.into_inner();
        Ok(answer.header.map_or(0, |header| header.revision))
    }

    pub async fn get(&self, key: &str, range_end: &str) -> Result<i64, Status> {
        let (key, range_end) = (key.to_owned().into(), range_end.to_owned().into());
        let range = pb::RangeRequest { key, range_end, ..pb::RangeRequest::default() };
        Ok(self.kv().range(self.request(range)).await?.into_inner().count)
    }

    pub async fn add_user(&self, name: &str) -> Result<(), Status> {
        let (name, password) = (name.to_owned(), name.to_owned());
        let add = pb::AuthUserAddRequest { name, password, ..pb::AuthUserAddRequest::default() };
        self.auth().user_add(self.request(add)).await.map(drop)
    }

    pub async fn add_role(&self, name: &str) -> Result<(), Status> {
        let add = pb::AuthRoleAddRequest { name: name.to_owned() };
        self.auth().role_add(self.request(add)).await.map(drop)
    }

    pub async fn grant_role(&self, user: &str, role: &str) -> Result<(), Status> {
        let (user, role) = (user.to_owned(), role.to_owned());
        let grant = pb::AuthUserGrantRoleRequest { user, role };
        self.auth().user_grant_role(self.request(grant)).await.map(drop)
    }

    pub async fn revoke_role(&self, user: &str, role: &str) -> Result<(), Status> {
        let (name, role) = (user.to_owned(), role.to_owned());
        let revoke = pb::AuthUserRevokeRoleRequest { name, role };
        self.auth().user_revoke_role(self.request(revoke)).await.map(drop)
    }

    pub async fn permit(
        &self,
        role: &str,
        (key, range_end): (&str, &str),
        kind: Type,
    ) -> Result<(), Status> {
        let (key, range_end) = (key.to_owned().into(), range_end.to_owned().into());
        let perm = Some(Permission { perm_type: kind.into(), key, range_end });
        let grant = pb::AuthRoleGrantPermissionRequest { name: role.to_owned(), perm };
        self.auth().role_grant_permission(self.request(grant)).await.map(drop)
    }

    pub async fn grant_lease(&self, id: i64) -> Result<(), Status> {
        let grant = pb::LeaseGrantRequest { id, ttl: 3600 };
        self.lease().lease_grant(self.request(grant)).await.map(drop)
    }

    pub async fn enable(&self) -> Result<(), Status> {
        self.auth().auth_enable(self.request(pb::AuthEnableRequest {})).await.map(drop)
    }
}

/// Makes users, roles, keys and leases while that is open to all, and lets permissions count. Roles are named as who has
/// them: a reader reads [a, c), a writer writes there, an owner may do both.
pub async fn settle(channel: &Channel) -> anyhow::Result<Vec<Person>> {
    let all = Person::nobody(channel);
    for name in ["root", "without role", "reader", "writer", "owner"] {
        all.add_user(name).await?;
    }
    let mut options = pb::AuthUserAddRequest { name: "certified".to_owned(), ..Default::default() };
    options.options = Some(UserAddOptions { no_password: true });
    all.auth().user_add(options).await?;
    let kinds = [("reader", Type::Read), ("writer", Type::Write), ("owner", Type::Readwrite)];
    for (role, kind) in kinds {
        all.add_role(role).await?;
        // Two ranges that touch.
        all.permit(role, ("a", "b"), kind).await?;
        all.permit(role, ("b", "c"), kind).await?;
        all.grant_role(role, role).await?;
    }
    all.grant_role("root", "root").await?;
    for lease in [900, 901, 902, 903] {
        all.grant_lease(lease).await?;
    }
    for (key, lease) in
        [("a", 0), ("b", 0), ("z", 0), ("zz", 900), ("a/kept", 902), ("a/lost", 903)]
    {
        all.put(key, lease).await?;
    }
    let lead = CampaignRequest { name: "b".into(), lease: 902, value: "v".into() };
    ElectionClient::new(channel.clone()).campaign(lead).await?;
    all.enable().await?;
    let mut people = vec![all.clone()];
    let token = Person::login(channel, "root").await?.token.context("a token")?;
    let token = Some(forged(&token));
    people.push(Person { name: "stranger", token, ..all });
    for name in ["without role", "reader", "writer", "owner", "root"] {
        people.push(Person::login(channel, name).await?);
    }
    Ok(people)
}

/// A token that nobody gave out: that of somebody with another letter in front, or with another signature where it has one.
pub fn forged(token: &str) -> String {
    let (said, secret) = match token.rsplit_once('.') {
        Some((said, signature)) if said.contains('.') => (format!("{said}."), signature),
        _ => (String::new(), token),
    };
    let other = if secret.starts_with('A') { 'B' } else { 'A' };
    format!("{said}{other}{}", &secret[1..])
}
