package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// The next events of a watch, so many.
func (t *trial) events(from clientv3.WatchChan, count int) []*clientv3.Event {
	var all []*clientv3.Event
	for len(all) < count {
		response := next(t, fmt.Sprintf("event %d of %d", len(all)+1, count), from)
		t.must(response.Err())
		all = append(all, response.Events...)
	}
	t.want(len(all) == count, "%d events, and %d were to come", len(all), count)
	return all
}

func words(events []*clientv3.Event) []string {
	var all []string
	for _, event := range events {
		before := ""
		if event.PrevKv != nil {
			before = " was " + string(event.PrevKv.Value)
		}
		all = append(all, fmt.Sprintf("%s %s %s%s", event.Type, event.Kv.Key, event.Kv.Value, before))
	}
	return all
}

func watches(t *trial) {
	c, p := t.client, "w/"
	all := c.Watch(t.ctx, p, clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithCreatedNotify())
	created := next(t, "the beginning of the watch", all)
	t.want(created.Created && len(created.Events) == 0, "%v", created)
	removals := c.Watch(t.ctx, p, clientv3.WithPrefix(), clientv3.WithFilterPut())
	one, cancel := context.WithCancel(t.ctx)
	single := c.Watch(one, p+"b")
	_, err := c.Put(t.ctx, p+"a", "1")
	t.must(err)
	_, err = c.Put(t.ctx, p+"a", "2")
	t.must(err)
	both, err := c.Txn(t.ctx).Then(clientv3.OpPut(p+"b", "x"), clientv3.OpDelete(p+"a")).Commit()
	t.must(err)
	seen := t.events(all, 4)
	t.want(slices.Equal(words(seen), []string{"PUT w/a 1", "PUT w/a 2 was 1", "PUT w/b x", "DELETE w/a  was 2"}), "%q", words(seen))
	t.want(seen[0].IsCreate() && seen[1].IsModify(), "the first is no creation")
	t.want(seen[2].Kv.ModRevision == both.Header.Revision && seen[3].Kv.ModRevision == both.Header.Revision, "%v", seen)
	t.want(slices.Equal(words(t.events(removals, 1)), []string{"DELETE w/a "}), "a filter")
	t.want(slices.Equal(words(t.events(single, 1)), []string{"PUT w/b x"}), "a single key")
	cancel()
	for range single {
	}
	t.must(c.RequestProgress(t.ctx))
	progress := next(t, "progress", all)
	t.want(progress.IsProgressNotify() && progress.Header.Revision >= both.Header.Revision, "%v", progress)
}

func watchThePast(t *trial) {
	c, p := t.client, t.prefix
	var revisions []int64
	for number := range 20 {
		put, err := c.Put(t.ctx, p+"k", strconv.Itoa(number))
		t.must(err)
		revisions = append(revisions, put.Header.Revision)
	}
	seen := t.events(c.Watch(t.ctx, p, clientv3.WithPrefix(), clientv3.WithRev(revisions[0])), 20)
	for number, event := range seen {
		t.want(string(event.Kv.Value) == strconv.Itoa(number) && event.Kv.ModRevision == revisions[number], "%v", event)
	}
	_, err := c.Compact(t.ctx, revisions[10], clientv3.WithCompactPhysical())
	t.must(err)
	_, err = c.Get(t.ctx, p+"k", clientv3.WithRev(revisions[9]))
	t.refused(err, rpctypes.ErrCompacted)
	_, err = c.Compact(t.ctx, revisions[10])
	t.refused(err, rpctypes.ErrCompacted)
	late := next(t, "the end of a watch of what is compacted", c.Watch(t.ctx, p+"k", clientv3.WithRev(revisions[3])))
	t.want(late.Canceled && late.CompactRevision == revisions[10], "%v", late)
	t.refused(late.Err(), rpctypes.ErrCompacted)
	seen = t.events(c.Watch(t.ctx, p+"k", clientv3.WithRev(revisions[10])), 10)
	t.want(string(seen[0].Kv.Value) == "10", "%v", seen[0])
	// In pieces, when it is large.
	large := make([]byte, 900*1024)
	for number := range 4 {
		_, err := c.Put(t.ctx, fmt.Sprintf("%slarge/%d", p, number), string(large))
		t.must(err)
	}
	pieces := c.Watch(t.ctx, p+"large/", clientv3.WithPrefix(), clientv3.WithRev(revisions[10]), clientv3.WithFragment())
	t.events(pieces, 4)
}

// A watch sees each write once and in order, also those from while the leader was dead.
func watchThroughFailover(t *trial) {
	key := t.prefix + "k"
	begin, err := t.client.Get(t.ctx, key)
	t.must(err)
	again := func() clientv3.WatchChan {
		return t.client.Watch(clientv3.WithRequireLeader(t.ctx), key, clientv3.WithRev(begin.Header.Revision+1))
	}
	watch := again()
	startAgain := func() {}
	const writes = 60
	for number := range writes {
		if number == 20 {
			startAgain = t.killLeader()
		}
		if number == 40 {
			startAgain()
		}
		// A write whose member died may have happened, so it is made only if it has not.
		t.until("a write is answered", func() bool {
			_, err := t.client.Txn(t.ctx).
				If(clientv3.Compare(clientv3.Value(key), "=", strconv.Itoa(number))).
				Else(clientv3.OpPut(key, strconv.Itoa(number))).Commit()
			return err == nil
		})
	}
	for number := 0; number < writes; {
		response := next(t, fmt.Sprintf("event %d", number), watch)
		if response.Err() != nil {
			// It asked to be told when there is no leader.
			t.refused(response.Err(), rpctypes.ErrNoLeader)
			watch, number = again(), 0
			continue
		}
		for _, event := range response.Events {
			t.want(string(event.Kv.Value) == strconv.Itoa(number) && event.Kv.Version == int64(number)+1,
				"event %d is %s, version %d", number, event.Kv.Value, event.Kv.Version)
			number++
		}
	}
}
