package main

import (
	"context"
	"crypto/tls"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

func strangers(t *trial) {
	_, err := t.client.Put(t.ctx, t.prefix+"k", "x")
	t.must(err)
	other, err := newCertificates(t.elsewhere())
	t.must(err)
	for name, config := range map[string]func(*clientv3.Config){
		"no certificate":                     with(t.files.ofNobody()),
		"a certificate of another authority": with(&tls.Config{RootCAs: t.files.roots, Certificates: other.of("root").Certificates}),
		"who trusts another authority":       with(&tls.Config{RootCAs: other.roots, Certificates: t.files.of("root").Certificates}),
		"plain text":                         func(config *clientv3.Config) { config.TLS, config.Endpoints = nil, t.plain() },
	} {
		client := t.another(config)
		short, cancel := context.WithTimeout(t.ctx, time.Second)
		_, err := client.Get(short, t.prefix+"k")
		cancel()
		t.want(err != nil, "%s: comes in", name)
	}
}

// Users: root; writer, who may write below `app/` and read the key `read`; reader, who may read below `app/`.
func usersBegin(t *trial) {
	c := t.client
	for _, user := range []string{"root", "writer", "reader", "none"} {
		_, err := c.UserAdd(t.ctx, user, user+"-secret")
		t.must(err)
	}
	_, err := c.UserAdd(t.ctx, "writer", "x")
	t.refused(err, rpctypes.ErrUserAlreadyExist)
	for _, role := range []string{"root", "writing", "reading"} {
		_, err := c.RoleAdd(t.ctx, role)
		t.must(err)
	}
	below, end := "app/", clientv3.GetPrefixRangeEnd("app/")
	_, err = c.RoleGrantPermission(t.ctx, "writing", below, end, clientv3.PermissionType(clientv3.PermReadWrite))
	t.must(err)
	_, err = c.RoleGrantPermission(t.ctx, "writing", "read", "", clientv3.PermissionType(clientv3.PermRead))
	t.must(err)
	_, err = c.RoleGrantPermission(t.ctx, "reading", below, end, clientv3.PermissionType(clientv3.PermRead))
	t.must(err)
	for user, role := range map[string]string{"root": "root", "writer": "writing", "reader": "reading"} {
		_, err := c.UserGrantRole(t.ctx, user, role)
		t.must(err)
	}
	role, err := c.RoleGet(t.ctx, "writing")
	t.must(err)
	t.want(len(role.Perm) == 2 && string(role.Perm[0].Key) == "app/" && string(role.Perm[0].RangeEnd) == end, "%v", role)
	users, err := c.UserList(t.ctx)
	t.must(err)
	t.want(slices.Equal(slices.Sorted(slices.Values(users.Users)), []string{"none", "reader", "root", "writer"}), "%v", users)
	_, err = c.AuthEnable(t.ctx)
	t.must(err)
	status, err := c.AuthStatus(t.ctx)
	t.must(err)
	t.want(status.Enabled, "%v", status)
}

// A client that logs in and shows a certificate of nobody's.
func (t *trial) login(name string) *clientv3.Client {
	return t.another(with(t.files.of("nobody")), as(name, name+"-secret"))
}

func usersMay(t *trial) {
	_, err := t.connect(with(t.files.of("nobody")), as("writer", "wrong"))
	t.refused(err, rpctypes.ErrAuthFailed)
	_, err = t.connect(with(t.files.of("nobody")), as("stranger", "wrong"))
	t.refused(err, rpctypes.ErrAuthFailed)
	root, writer, reader, none := t.login("root"), t.login("writer"), t.login("reader"), t.login("none")
	for key, value := range map[string]string{"read": "r", "other": "o"} {
		_, err := root.Put(t.ctx, key, value)
		t.must(err)
	}
	_, err = writer.Put(t.ctx, "app/a", "1")
	t.must(err)
	denied := func(_ any, err error) { t.refused(err, rpctypes.ErrPermissionDenied) }
	denied(writer.Put(t.ctx, "other", "x"))
	denied(writer.Put(t.ctx, "read", "x"))
	denied(writer.Get(t.ctx, "", clientv3.WithPrefix()))
	denied(writer.Delete(t.ctx, "app", clientv3.WithRange("app0")))
	denied(writer.Txn(t.ctx).If(clientv3.Compare(clientv3.Value("other"), "=", "o")).Commit())
	if t.kind == "mini" {
		// The first is refused by etcd 3.5.1, and written all the same on some of three members; the second is open in an etcd
		// from before CVE-2026-33343 was mended.
		denied(writer.Txn(t.ctx).Then(clientv3.OpPut("app/b", "x"), clientv3.OpGet("other")).Commit())
		denied(writer.Txn(t.ctx).Then(clientv3.OpTxn(nil, nil, []clientv3.Op{clientv3.OpDelete("other")})).Commit())
	}
	denied(reader.Put(t.ctx, "app/a", "x"))
	denied(none.Get(t.ctx, "app/a"))
	denied(writer.UserAdd(t.ctx, "x", "x"))
	denied(writer.RoleGrantPermission(t.ctx, "writing", "other", "", clientv3.PermissionType(clientv3.PermReadWrite)))
	denied(writer.AuthDisable(t.ctx))
	_, err = writer.Defragment(t.ctx, t.urls()[0])
	// etcd 3.5 says it by another code.
	t.want(err != nil && strings.Contains(err.Error(), "permission denied"), "%v", err)
	got, err := reader.Get(t.ctx, "app/", clientv3.WithPrefix())
	t.must(err)
	t.want(slices.Equal(texts(got.Kvs), []string{"app/a=1"}), "%v", got.Kvs)
	got, err = writer.Get(t.ctx, "read")
	t.must(err)
	t.want(len(got.Kvs) == 1, "%v", got.Kvs)
	refused := next(t, "a watch of what may not be read", reader.Watch(t.ctx, "other"))
	t.want(refused.Canceled, "%v", refused)
	watch := reader.Watch(t.ctx, "app/", clientv3.WithPrefix(), clientv3.WithRev(got.Header.Revision+1))
	_, err = writer.Put(t.ctx, "app/a", "2")
	t.must(err)
	t.want(slices.Equal(words(t.events(watch, 1)), []string{"PUT app/a 2"}), "a watch")
	// What others do to rights counts at once, for who is logged in too.
	_, err = root.UserGrantRole(t.ctx, "none", "reading")
	t.must(err)
	_, err = none.Get(t.ctx, "app/a")
	t.must(err)
	_, err = root.UserRevokeRole(t.ctx, "none", "reading")
	t.must(err)
	denied(none.Get(t.ctx, "app/a"))
	_, err = root.UserChangePassword(t.ctx, "none", "new")
	t.must(err)
	_, err = t.connect(with(t.files.of("nobody")), as("none", "none-secret"))
	t.refused(err, rpctypes.ErrAuthFailed)
	_, err = root.UserChangePassword(t.ctx, "none", "none-secret")
	t.must(err)
}

func certificateUser(t *trial) {
	writer := t.another(with(t.files.of("writer")))
	_, err := writer.Put(t.ctx, "app/c", "x")
	t.must(err)
	_, err = writer.Put(t.ctx, "other", "x")
	t.refused(err, rpctypes.ErrPermissionDenied)
	// A login goes before a certificate.
	both := t.another(with(t.files.of("root")), as("reader", "reader-secret"))
	_, err = both.Put(t.ctx, "app/c", "x")
	t.refused(err, rpctypes.ErrPermissionDenied)
	_, err = t.another(with(t.files.of("nobody"))).Get(t.ctx, "app/c")
	t.refused(err, rpctypes.ErrPermissionDenied)
}

// Tokens live in the memory of a member; a client logs in again by itself.
func loginThroughFailover(t *trial) {
	writer := t.login("writer")
	before, err := writer.Put(t.ctx, "app/f", "before")
	t.must(err)
	again := func() clientv3.WatchChan {
		return writer.Watch(t.ctx, "app/f", clientv3.WithRev(before.Header.Revision+1))
	}
	watch := again()
	startAgain := t.killLeader()
	t.again("a write", func() error {
		_, err := writer.Put(t.ctx, "app/f", "meanwhile")
		return err
	})
	startAgain()
	for range 10 {
		t.again("a read", func() error {
			_, err := writer.Get(t.ctx, "app/f")
			return err
		})
	}
	// The write may have been made more than once.
	response := next(t, "an event of while the leader was dead", watch)
	for t.kind == "etcd" && response.Err() != nil {
		// etcd 3.5.1 may end a watch whose login it does not know any more: "leader changed".
		watch = again()
		response = next(t, "an event of while the leader was dead", watch)
	}
	t.must(response.Err())
	t.want(len(response.Events) > 0 && string(response.Events[0].Kv.Value) == "meanwhile", "%v", response.Events)
}

func userMutex(t *trial) {
	session := t.session(t.login("writer"), concurrency.WithTTL(10))
	lock := concurrency.NewMutex(session, "app/lock")
	t.must(lock.Lock(t.ctx))
	t.must(lock.Unlock(t.ctx))
	t.refused(concurrency.NewMutex(session, "elsewhere").Lock(t.ctx), rpctypes.ErrPermissionDenied)
	// A lease is ended by who may write all its keys.
	_, err := t.client.Put(t.ctx, "other", "x", clientv3.WithLease(session.Lease()))
	t.must(err)
	t.refused(session.Close(), rpctypes.ErrPermissionDenied)
	_, err = t.client.Revoke(t.ctx, session.Lease())
	t.must(err)
}

func usersEnd(t *trial) {
	_, err := t.login("root").AuthDisable(t.ctx)
	t.must(err)
	_, err = t.another(with(t.files.of("nobody"))).Put(t.ctx, "other", "open")
	t.must(err)
}
