package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func texts(kvs []*mvccpb.KeyValue) []string {
	all := []string{}
	for _, kv := range kvs {
		all = append(all, fmt.Sprintf("%s=%s", kv.Key, kv.Value))
	}
	return all
}

func keys(t *trial) {
	c, p := t.client, t.prefix
	first, err := c.Put(t.ctx, p+"a", "1")
	t.must(err)
	t.want(first.PrevKv == nil && first.Header.ClusterId != 0 && first.Header.RaftTerm > 0, "%v", first)
	second, err := c.Put(t.ctx, p+"a", "2", clientv3.WithPrevKV())
	t.must(err)
	t.want(string(second.PrevKv.Value) == "1", "the version before: %v", second.PrevKv)
	t.want(second.Header.Revision > first.Header.Revision, "revisions do not grow")
	_, err = c.Put(t.ctx, p+"a", "", clientv3.WithIgnoreValue())
	t.must(err)
	for _, key := range []string{"c", "b", "d"} {
		_, err = c.Put(t.ctx, p+key, strings.ToUpper(key))
		t.must(err)
	}
	got, err := c.Get(t.ctx, p+"a")
	t.must(err)
	kv := got.Kvs[0]
	t.want(string(kv.Value) == "2" && kv.Version == 3 && kv.CreateRevision == first.Header.Revision, "%v", kv)

	read := func(wanted string, options ...clientv3.OpOption) *clientv3.GetResponse {
		got, err := c.Get(t.ctx, p, append(options, clientv3.WithPrefix())...)
		t.must(err)
		said := strings.ReplaceAll(strings.Join(texts(got.Kvs), " "), p, "")
		t.want(said == wanted, "%q, and not %q", said, wanted)
		return got
	}
	all := read("a=2 b=B c=C d=D")
	t.want(all.Count == 4 && !all.More, "%v", all)
	page := read("a=2 b=B", clientv3.WithLimit(2))
	t.want(page.Count == 4 && page.More, "%v", page)
	read("d=D c=C b=B a=2", clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend))
	read("d=D b=B c=C a=2", clientv3.WithSort(clientv3.SortByCreateRevision, clientv3.SortDescend))
	read("a= b= c= d=", clientv3.WithKeysOnly())
	t.want(read("", clientv3.WithCountOnly()).Count == 4, "a count")
	read("a=1", clientv3.WithRev(first.Header.Revision))
	read("c=C b=B d=D", clientv3.WithMinCreateRev(first.Header.Revision+1),
		clientv3.WithSort(clientv3.SortByModRevision, clientv3.SortAscend))
	read("a=2 b=B c=C d=D", clientv3.WithSerializable(), clientv3.WithRev(all.Header.Revision))
	span, err := c.Get(t.ctx, p+"b", clientv3.WithRange(p+"d"))
	t.must(err)
	t.want(slices.Equal(texts(span.Kvs), []string{p + "b=B", p + "c=C"}), "%v", span.Kvs)

	gone, err := c.Delete(t.ctx, p+"b", clientv3.WithRange(p+"d"), clientv3.WithPrevKV())
	t.must(err)
	t.want(gone.Deleted == 2 && string(gone.PrevKvs[1].Value) == "C", "%v", gone)
	gone, err = c.Delete(t.ctx, p+"b")
	t.must(err)
	t.want(gone.Deleted == 0, "%v", gone)
	read("a=2 d=D")
	read("a=2 b=B c=C d=D", clientv3.WithRev(all.Header.Revision))
}

func refusals(t *trial) {
	c, p := t.client, t.prefix
	_, err := c.Put(t.ctx, "", "x")
	t.refused(err, rpctypes.ErrEmptyKey)
	_, err = c.Put(t.ctx, p+"none", "", clientv3.WithIgnoreValue())
	t.refused(err, rpctypes.ErrKeyNotFound)
	_, err = c.Put(t.ctx, p+"a", "x", clientv3.WithLease(4711))
	t.refused(err, rpctypes.ErrLeaseNotFound)
	_, err = c.Put(t.ctx, p+"a", strings.Repeat("x", 1700*1024))
	t.refused(err, rpctypes.ErrRequestTooLarge)
	written, err := c.Put(t.ctx, p+"a", strings.Repeat("x", 1400*1024))
	t.must(err)
	_, err = c.Get(t.ctx, p+"a", clientv3.WithRev(written.Header.Revision+1000))
	t.refused(err, rpctypes.ErrFutureRev)
	_, err = c.Compact(t.ctx, written.Header.Revision+1000)
	t.refused(err, rpctypes.ErrFutureRev)
	_, err = c.Txn(t.ctx).Then(clientv3.OpPut(p+"a", "1"), clientv3.OpPut(p+"a", "2")).Commit()
	t.refused(err, rpctypes.ErrDuplicateKey)
	many := []clientv3.Op{}
	for number := range 129 {
		many = append(many, clientv3.OpPut(p+strconv.Itoa(number), ""))
	}
	_, err = c.Txn(t.ctx).Then(many...).Commit()
	t.refused(err, rpctypes.ErrTooManyOps)
	_, err = c.Txn(t.ctx).Then(many[:128]...).Commit()
	t.must(err)
	_, err = c.MemberPromote(t.ctx, 4711)
	t.refused(err, rpctypes.ErrMemberNotFound)
	_, err = c.UserGet(t.ctx, "nobody")
	t.refused(err, rpctypes.ErrUserNotFound)
	_, err = c.AuthEnable(t.ctx)
	t.refused(err, rpctypes.ErrRootUserNotExist)
}

// What came with 3.7: an etcd of before says that it has it not.
func rangeStream(t *trial) {
	for number := range 500 {
		_, err := t.client.Put(t.ctx, fmt.Sprintf("%s%03d", t.prefix, number), strings.Repeat("x", 5000))
		t.must(err)
	}
	chunks, err := t.client.GetStream(t.ctx, t.prefix, clientv3.WithPrefix())
	t.must(err)
	got, err := clientv3.GetStreamToGetResponse(chunks)
	if t.kind == "etcd" && status.Code(err) == codes.Unimplemented {
		return
	}
	t.must(err)
	t.want(len(got.Kvs) == 500 && got.Count == 500 && string(got.Kvs[499].Key) == t.prefix+"499", "%d keys", len(got.Kvs))
}

func transactions(t *trial) {
	c, p := t.client, t.prefix
	lease, err := c.Grant(t.ctx, 60)
	t.must(err)
	put, err := c.Put(t.ctx, p+"a", "5", clientv3.WithLease(lease.ID))
	t.must(err)
	for number, condition := range []clientv3.Cmp{
		clientv3.Compare(clientv3.Value(p+"a"), "=", "5"),
		clientv3.Compare(clientv3.Value(p+"a"), ">", "4"),
		clientv3.Compare(clientv3.Value(p+"a"), "!=", "6"),
		clientv3.Compare(clientv3.Version(p+"a"), "=", 1),
		clientv3.Compare(clientv3.CreateRevision(p+"a"), "=", put.Header.Revision),
		clientv3.Compare(clientv3.ModRevision(p+"a"), "<", put.Header.Revision+1),
		clientv3.Compare(clientv3.LeaseValue(p+"a"), "=", lease.ID),
		clientv3.Compare(clientv3.CreateRevision(p+"none"), "=", 0),
		clientv3.Compare(clientv3.Version(p), ">", 0).WithPrefix(),
	} {
		// One that reads nothing is a serializable read, for etcd too.
		answer, err := c.Txn(t.ctx).If(condition).Then(clientv3.OpGet(p + "a")).Commit()
		t.must(err)
		t.want(answer.Succeeded, "condition %d does not hold", number)
	}
	answer, err := c.Txn(t.ctx).
		If(clientv3.Compare(clientv3.Version(p+"a"), "=", 1), clientv3.Compare(clientv3.Value(p+"a"), "=", "9")).
		Then(clientv3.OpPut(p+"then", "x")).
		Else(
			clientv3.OpGet(p+"a"),
			clientv3.OpTxn(
				[]clientv3.Cmp{clientv3.Compare(clientv3.Version(p+"b"), "=", 0)},
				[]clientv3.Op{clientv3.OpPut(p+"b", "x"), clientv3.OpDelete(p + "a")},
				nil,
			),
			clientv3.OpGet(p, clientv3.WithPrefix()),
		).Commit()
	t.must(err)
	t.want(!answer.Succeeded && len(answer.Responses) == 3, "%v", answer)
	t.want(string(answer.Responses[0].GetResponseRange().Kvs[0].Value) == "5", "%v", answer)
	inner := answer.Responses[1].GetResponseTxn()
	t.want(inner.Succeeded && inner.Responses[1].GetResponseDeleteRange().Deleted == 1, "%v", inner)
	seen := answer.Responses[2].GetResponseRange().Kvs
	t.want(len(seen) == 1 && seen[0].ModRevision == answer.Header.Revision, "it does not see its own writes: %v", seen)
	left, err := c.TimeToLive(t.ctx, lease.ID, clientv3.WithAttachedKeys())
	t.must(err)
	t.want(len(left.Keys) == 0, "a key that is gone hangs on its lease: %v", left)
	_, err = c.Revoke(t.ctx, lease.ID)
	t.must(err)
}

// Eight clients, each with a connection to one member, count up in turn by compare and swap.
func counter(t *trial) {
	const each = 25
	key := t.prefix + "counter"
	_, err := t.client.Put(t.ctx, key, "0")
	t.must(err)
	t.together(8, func(number int) error {
		client, err := t.connect(at(t.urls()[number%t.size]))
		if err != nil {
			return err
		}
		defer client.Close()
		for done := 0; done < each; {
			got, err := client.Get(t.ctx, key)
			if err != nil {
				return err
			}
			value, _ := strconv.Atoi(string(got.Kvs[0].Value))
			answer, err := client.Txn(t.ctx).
				If(clientv3.Compare(clientv3.ModRevision(key), "=", got.Kvs[0].ModRevision)).
				Then(clientv3.OpPut(key, strconv.Itoa(value+1))).Commit()
			if err != nil {
				return err
			}
			if answer.Succeeded {
				done++
			}
		}
		return nil
	})
	got, err := t.client.Get(t.ctx, key)
	t.must(err)
	t.want(string(got.Kvs[0].Value) == strconv.Itoa(8*each) && got.Kvs[0].Version == 8*each+1, "%v", got.Kvs[0])
}

func leases(t *trial) {
	c, p := t.client, t.prefix
	before, err := c.Leases(t.ctx)
	t.must(err)
	kept, err := c.Grant(t.ctx, 2)
	t.must(err)
	t.want(kept.ID != 0 && kept.TTL == 2, "%v", kept)
	over, err := c.Grant(t.ctx, 2)
	t.must(err)
	clock, err := c.Grant(t.ctx, 6)
	t.must(err)
	for key, lease := range map[string]clientv3.LeaseID{"kept": kept.ID, "over": over.ID, "clock": clock.ID} {
		_, err = c.Put(t.ctx, p+key, "x", clientv3.WithLease(lease))
		t.must(err)
	}
	ends := c.Watch(t.ctx, p, clientv3.WithPrefix(), clientv3.WithFilterPut())
	answers, err := c.KeepAlive(t.ctx, kept.ID)
	t.must(err)
	answer := next(t, "an answer to a renewal", answers)
	t.want(answer.ID == kept.ID && answer.TTL == 2, "%v", answer)
	list, err := c.Leases(t.ctx)
	t.must(err)
	t.want(len(list.Leases) == len(before.Leases)+3, "%v, and %v before", list.Leases, before.Leases)
	// Time is told by leases: the longest ends after thrice the life of the one that is kept.
	for _, key := range []string{"over", "clock"} {
		response := next(t, "the end of "+key, ends)
		t.must(response.Err())
		t.want(len(response.Events) == 1 && string(response.Events[0].Kv.Key) == p+key, "%v", response.Events)
	}
	once, err := c.KeepAliveOnce(t.ctx, kept.ID)
	t.must(err)
	t.want(once.TTL == 2, "%v", once)
	_, err = c.KeepAliveOnce(t.ctx, over.ID)
	t.refused(err, rpctypes.ErrLeaseNotFound)
	left, err := c.TimeToLive(t.ctx, over.ID)
	t.must(err)
	t.want(left.TTL == -1, "%v", left)
	left, err = c.TimeToLive(t.ctx, kept.ID, clientv3.WithAttachedKeys())
	t.must(err)
	t.want(left.GrantedTTL == 2 && len(left.Keys) == 1 && string(left.Keys[0]) == p+"kept", "%v", left)
	_, err = c.Revoke(t.ctx, kept.ID)
	t.must(err)
	got, err := c.Get(t.ctx, p+"kept")
	t.must(err)
	t.want(len(got.Kvs) == 0, "%v outlives its lease", got.Kvs)
	for open := true; open; {
		select {
		case _, open = <-answers:
		case <-time.After(stepTime):
			t.want(false, "the channel of renewals outlives its lease")
		}
	}
	_, err = c.Revoke(t.ctx, kept.ID)
	t.refused(err, rpctypes.ErrLeaseNotFound)
	_, err = c.Grant(t.ctx, 9_000_000_001)
	t.refused(err, rpctypes.ErrLeaseTTLTooLarge)
}
