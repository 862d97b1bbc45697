package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/leasing"
	"go.etcd.io/etcd/client/v3/mirror"
	"go.etcd.io/etcd/client/v3/namespace"
	"go.etcd.io/etcd/client/v3/naming/endpoints"
	"go.etcd.io/etcd/client/v3/ordering"
)

func leasingKV(t *trial) {
	one, closeOne, err := leasing.NewKV(t.client, t.prefix+"leasing/")
	t.must(err)
	defer closeOne()
	two, closeTwo, err := leasing.NewKV(t.another(), t.prefix+"leasing/")
	t.must(err)
	defer closeTwo()
	key := t.prefix + "k"
	_, err = t.client.Put(t.ctx, key, "first")
	t.must(err)
	read := func(kv clientv3.KV, wanted string) {
		got, err := kv.Get(t.ctx, key)
		t.must(err)
		t.want(len(got.Kvs) == 1 && string(got.Kvs[0].Value) == wanted, "%v, and not %s", got.Kvs, wanted)
	}
	for range 3 {
		read(one, "first")
	}
	t.want(t.count(t.prefix+"leasing/"+key) == 1, "it keeps nothing")
	for round := range 10 {
		// In turn: each write takes the key from whoever keeps it.
		writer, reader := one, two
		if round%2 == 1 {
			writer, reader = two, one
		}
		value := fmt.Sprint(round)
		_, err = writer.Put(t.ctx, key, value)
		t.must(err)
		read(reader, value)
		read(writer, value)
	}
	answer, err := two.Txn(t.ctx).If(clientv3.Compare(clientv3.Value(key), "=", "9")).
		Then(clientv3.OpPut(key, "by a transaction"), clientv3.OpGet(key)).Commit()
	t.must(err)
	t.want(answer.Succeeded && string(answer.Responses[1].GetResponseRange().Kvs[0].Value) == "by a transaction", "%v", answer)
	read(one, "by a transaction")
	_, err = one.Delete(t.ctx, key)
	t.must(err)
	got, err := two.Get(t.ctx, key)
	t.must(err)
	t.want(len(got.Kvs) == 0, "%v", got.Kvs)
}

// Serializable reads by whichever member: none may show an earlier state than the one before.
func orderingKV(t *trial) {
	client := t.another()
	kv := ordering.NewKV(client.KV, func(clientv3.Op, clientv3.OpResponse, int64) error { return nil })
	last := int64(0)
	for round := range 100 {
		put, err := t.client.Put(t.ctx, t.prefix+"k", fmt.Sprint(round))
		t.must(err)
		if round%10 == 0 {
			got, err := kv.Get(t.ctx, t.prefix+"k")
			t.must(err)
			t.want(got.Header.Revision >= put.Header.Revision, "a read of an earlier state")
		}
		got, err := kv.Get(t.ctx, t.prefix+"k", clientv3.WithSerializable())
		t.must(err)
		t.want(got.Header.Revision >= last, "revision %d after %d", got.Header.Revision, last)
		last = got.Header.Revision
		answer, err := kv.Txn(t.ctx).Then(clientv3.OpGet(t.prefix + "k")).Commit()
		t.must(err)
		t.want(answer.Header.Revision >= last, "revision %d after %d", answer.Header.Revision, last)
	}
	// What it does when it meets one: a state of long ago, as from a member that lags.
	violated := errors.New("violated")
	strict := ordering.NewKV(lagging{client.KV}, func(clientv3.Op, clientv3.OpResponse, int64) error { return violated })
	_, err := strict.Get(t.ctx, t.prefix+"k")
	t.must(err)
	_, err = strict.Get(t.ctx, t.prefix+"k", clientv3.WithSerializable())
	t.refused(err, violated)
}

// Serializable reads of it are of the very first state.
type lagging struct{ clientv3.KV }

func (l lagging) Do(ctx context.Context, op clientv3.Op) (clientv3.OpResponse, error) {
	answer, err := l.KV.Do(ctx, op)
	if err == nil && op.IsSerializable() {
		answer.Get().Header.Revision = 1
	}
	return answer, err
}

func namespaces(t *trial) {
	raw, space := t.client.KV, t.prefix+"space/"
	inside := t.another()
	inside.KV = namespace.NewKV(inside.KV, space)
	inside.Watcher = namespace.NewWatcher(inside.Watcher, space)
	inside.Lease = namespace.NewLease(inside.Lease, space)
	watch := inside.Watch(t.ctx, "", clientv3.WithPrefix())
	_, err := inside.Put(t.ctx, "a", "1")
	t.must(err)
	_, err = raw.Put(t.ctx, space+"b", "2")
	t.must(err)
	_, err = raw.Put(t.ctx, t.prefix+"outside", "3")
	t.must(err)
	got, err := inside.Get(t.ctx, "", clientv3.WithPrefix())
	t.must(err)
	t.want(slices.Equal(texts(got.Kvs), []string{"a=1", "b=2"}), "%v", got.Kvs)
	got, err = inside.Get(t.ctx, "", clientv3.WithFromKey())
	t.must(err)
	t.want(slices.Equal(texts(got.Kvs), []string{"a=1", "b=2"}), "from a key on: %v", got.Kvs)
	got, err = raw.Get(t.ctx, space, clientv3.WithPrefix())
	t.must(err)
	t.want(slices.Equal(texts(got.Kvs), []string{space + "a=1", space + "b=2"}), "%v", got.Kvs)
	answer, err := inside.Txn(t.ctx).If(clientv3.Compare(clientv3.Value("a"), "=", "1")).
		Then(clientv3.OpDelete("a", clientv3.WithPrevKV()), clientv3.OpGet("", clientv3.WithPrefix())).Commit()
	t.must(err)
	t.want(answer.Succeeded && string(answer.Responses[0].GetResponseDeleteRange().PrevKvs[0].Key) == "a", "%v", answer)
	t.want(slices.Equal(words(t.events(watch, 3)), []string{"PUT a 1", "PUT b 2", "DELETE a "}), "events within")
	lease, err := inside.Grant(t.ctx, 60)
	t.must(err)
	_, err = inside.Put(t.ctx, "leased", "x", clientv3.WithLease(lease.ID))
	t.must(err)
	left, err := inside.TimeToLive(t.ctx, lease.ID, clientv3.WithAttachedKeys())
	t.must(err)
	t.want(len(left.Keys) == 1 && string(left.Keys[0]) == "leased", "%q", left.Keys)
	_, err = inside.Revoke(t.ctx, lease.ID)
	t.must(err)
}

// A copy by base and updates is equal to the original, over more keys than one page has.
func mirrorAll(t *trial) {
	const keys = 2300
	write := func(from, to int, value string) {
		for begin := from; begin < to; begin += 100 {
			var puts []clientv3.Op
			for number := begin; number < begin+100; number++ {
				puts = append(puts, clientv3.OpPut(fmt.Sprintf("%s%05d", t.prefix, number), value))
			}
			_, err := t.client.Txn(t.ctx).Then(puts...).Commit()
			t.must(err)
		}
	}
	write(0, keys, "base")
	syncer := mirror.NewSyncer(t.client, t.prefix, 0)
	copied := map[string]string{}
	pages, errs := syncer.SyncBase(t.ctx)
	write(keys-200, keys+200, "later")
	_, err := t.client.Delete(t.ctx, t.prefix+"00000")
	t.must(err)
	count := 0
	for page := range pages {
		count++
		for _, kv := range page.Kvs {
			copied[string(kv.Key)] = string(kv.Value)
		}
	}
	t.must(<-errs)
	t.want(count == 3 && len(copied) == keys, "%d pages, %d keys", count, len(copied))
	updates := syncer.SyncUpdates(t.ctx)
	for _, event := range t.events(updates, 401) {
		if event.Type == clientv3.EventTypeDelete {
			delete(copied, string(event.Kv.Key))
		} else {
			copied[string(event.Kv.Key)] = string(event.Kv.Value)
		}
	}
	got, err := t.client.Get(t.ctx, t.prefix, clientv3.WithPrefix())
	t.must(err)
	t.want(len(got.Kvs) == len(copied), "%d keys, and %d copied", len(got.Kvs), len(copied))
	for _, kv := range got.Kvs {
		t.want(copied[string(kv.Key)] == string(kv.Value), "%s", kv.Key)
	}
}

func naming(t *trial) {
	manager, err := endpoints.NewManager(t.client, t.prefix+"service")
	t.must(err)
	changes, err := manager.NewWatchChannel(t.ctx)
	t.must(err)
	key := t.prefix + "service/one"
	t.must(manager.AddEndpoint(t.ctx, key, endpoints.Endpoint{Addr: "127.0.0.1:1", Metadata: "m"}))
	added := next(t, "an endpoint", changes)
	t.want(len(added) == 1 && added[0].Op == endpoints.Add && added[0].Endpoint.Addr == "127.0.0.1:1", "%v", added)
	// It lists serializably: a member may be asked that has it a moment later.
	t.until("the list of it", func() bool {
		list, err := manager.List(t.ctx)
		return err == nil && len(list) == 1 && list[key].Addr == "127.0.0.1:1"
	})
	t.must(manager.DeleteEndpoint(t.ctx, key))
	gone := next(t, "its end", changes)
	t.want(len(gone) == 1 && gone[0].Op == endpoints.Delete && gone[0].Key == key, "%v", gone)
}

func maintenance(t *trial) {
	_, err := t.client.Put(t.ctx, t.prefix+"k", "x")
	t.must(err)
	first, err := t.client.HashKV(t.ctx, t.urls()[0], 0)
	t.must(err)
	for _, url := range t.urls() {
		status, err := t.client.Status(t.ctx, url)
		t.must(err)
		t.want(status.Version != "" && status.DbSize > 0 && status.Leader != 0 && status.RaftIndex > 0 && len(status.Errors) == 0,
			"%v", status)
		t.until("the same hash", func() bool {
			hash, err := t.client.HashKV(t.ctx, url, first.HashRevision)
			return err == nil && hash.Hash == first.Hash
		})
		_, err = t.client.Defragment(t.ctx, url)
		t.must(err)
	}
	alarms, err := t.client.AlarmList(t.ctx)
	t.must(err)
	t.want(len(alarms.Alarms) == 0, "%v", alarms)
	snapshot, err := t.client.SnapshotWithVersion(t.ctx)
	t.must(err)
	length, err := io.Copy(io.Discard, snapshot.Snapshot)
	t.must(err)
	// Pages, and the checksum behind them.
	t.want(length > 4096 && length%512 == 32, "a snapshot of %d bytes", length)
}

func members(t *trial) {
	list, err := t.client.MemberList(t.ctx)
	t.must(err)
	t.want(len(list.Members) == t.size, "%v", list.Members)
	for _, member := range list.Members {
		t.want(member.Name != "" && len(member.ClientURLs) == 1 && !member.IsLearner, "%v", member)
	}
	other := t.another(at(t.urls()[0]))
	t.must(other.Sync(t.ctx))
	found, wanted := slices.Sorted(slices.Values(other.Endpoints())), slices.Sorted(slices.Values(t.urls()))
	t.want(slices.Equal(found, wanted), "%v, and not %v", found, wanted)
	if t.size == 1 {
		return
	}
	leader, err := t.leader(t.ctx, t.client)
	t.must(err)
	next := (leader + 1) % t.size
	status, err := t.client.Status(t.ctx, t.urls()[next])
	t.must(err)
	_, err = t.another(at(t.urls()[leader])).MoveLeader(t.ctx, status.Header.MemberId)
	t.must(err)
	t.until("the other leads", func() bool {
		leader, err := t.leader(t.ctx, t.client)
		return err == nil && leader == next
	})
}
