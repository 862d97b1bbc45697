package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

func (t *trial) session(client *clientv3.Client, options ...concurrency.SessionOption) *concurrency.Session {
	session, err := concurrency.NewSession(client, append(options, concurrency.WithContext(t.ctx))...)
	t.must(err)
	return session
}

func sessions(t *trial) {
	session := t.session(t.client, concurrency.WithTTL(5))
	_, err := t.client.Put(t.ctx, t.prefix+"k", "x", clientv3.WithLease(session.Lease()))
	t.must(err)
	session.Orphan()
	t.closed("an orphaned session", session.Done())
	again := t.session(t.another(), concurrency.WithTTL(5), concurrency.WithLease(session.Lease()))
	got, err := t.client.Get(t.ctx, t.prefix+"k")
	t.must(err)
	t.want(len(got.Kvs) == 1, "the session was taken up, and its key is gone")
	nothingYet(t, "the end of a session", again.Done())
	_, err = t.client.Revoke(t.ctx, again.Lease())
	t.must(err)
	t.closed("a session without a lease", again.Done())
	other := t.session(t.client)
	_, err = t.client.Put(t.ctx, t.prefix+"other", "x", clientv3.WithLease(other.Lease()))
	t.must(err)
	t.must(other.Close())
	got, err = t.client.Get(t.ctx, t.prefix, clientv3.WithPrefix())
	t.must(err)
	t.want(len(got.Kvs) == 0, "%v outlives its session", got.Kvs)
}

// Several clients count up under the lock by a read and a write that nothing else protects.
func mutex(t *trial) {
	const clients, each = 6, 10
	key := t.prefix + "counter"
	_, err := t.client.Put(t.ctx, key, "0")
	t.must(err)
	t.together(clients, func(number int) error {
		client, err := t.connect(at(t.urls()[number%t.size]))
		if err != nil {
			return err
		}
		defer client.Close()
		session, err := concurrency.NewSession(client, concurrency.WithTTL(10))
		if err != nil {
			return err
		}
		defer session.Close()
		lock := concurrency.NewMutex(session, t.prefix+"lock")
		for range each {
			if err := lock.Lock(t.ctx); err != nil {
				return err
			}
			got, err := client.Get(t.ctx, key)
			if err != nil {
				return err
			}
			value, _ := strconv.Atoi(string(got.Kvs[0].Value))
			if _, err = client.Put(t.ctx, key, strconv.Itoa(value+1)); err != nil {
				return err
			}
			if err := lock.Unlock(t.ctx); err != nil {
				return err
			}
		}
		return nil
	})
	got, err := t.client.Get(t.ctx, key)
	t.must(err)
	t.want(string(got.Kvs[0].Value) == strconv.Itoa(clients*each), "counted to %s", got.Kvs[0].Value)

	held := concurrency.NewMutex(t.session(t.client), t.prefix+"held")
	t.must(held.Lock(t.ctx))
	other := t.session(t.another(), concurrency.WithTTL(5))
	waits := concurrency.NewMutex(other, t.prefix+"held")
	t.refused(waits.TryLock(t.ctx), concurrency.ErrLocked)
	brief, cancel := context.WithCancel(t.ctx)
	given := make(chan error, 1)
	go func() { given <- waits.Lock(brief) }()
	t.until("it waits", func() bool { return t.count(t.prefix+"held/") == 2 })
	nothingYet(t, "a lock that another holds", given)
	cancel()
	t.refused(next(t, "who gives up waiting", given), context.Canceled)
	// Who gives up before it is told that it has a place leaves it behind; this takes it back too.
	t.refused(waits.TryLock(t.ctx), concurrency.ErrLocked)
	t.want(t.count(t.prefix+"held/") == 1, "its place is not given up")
	// One whose lease ends while it waits has lost its place, and is told.
	go func() { given <- waits.Lock(t.ctx) }()
	t.until("it waits again", func() bool { return t.count(t.prefix+"held/") == 2 })
	_, err = t.client.Revoke(t.ctx, other.Lease())
	t.must(err)
	t.must(held.Unlock(t.ctx))
	t.refused(next(t, "who lost its session", given), concurrency.ErrSessionExpired)
	t.refused(held.Unlock(t.ctx), concurrency.ErrLockReleased)
}

func (t *trial) count(prefix string) int64 {
	got, err := t.client.Get(t.ctx, prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	t.must(err)
	return got.Count
}

// A call that may have to be made again because its member died; it is one that may happen twice.
func (t *trial) again(what string, call func() error) {
	t.until(what, func() bool { return call() == nil })
}

func mutexThroughFailover(t *trial) {
	holder := t.session(t.client, concurrency.WithTTL(10))
	held := concurrency.NewMutex(holder, t.prefix+"lock")
	t.must(held.Lock(t.ctx))
	waiter := concurrency.NewMutex(t.session(t.another(), concurrency.WithTTL(10)), t.prefix+"lock")
	given := make(chan error, 1)
	go func() { given <- waiter.Lock(t.ctx) }()
	t.until("it waits", func() bool { return t.count(t.prefix+"lock/") == 2 })
	for range 3 {
		startAgain := t.killLeader()
		t.again("the holder writes", func() error {
			answer, err := t.client.Txn(t.ctx).If(held.IsOwner()).Then(clientv3.OpPut(t.prefix+"k", "x")).Commit()
			t.want(err != nil || answer.Succeeded, "the lock was lost with the leader")
			return err
		})
		startAgain()
		nothingYet(t, "the lock that is held", given)
		nothingYet(t, "the end of the session", holder.Done())
	}
	t.again("unlock", func() error { return held.Unlock(t.ctx) })
	t.must(next(t, "the lock", given))
	answer, err := t.client.Txn(t.ctx).If(waiter.IsOwner()).Then(clientv3.OpGet(waiter.Key())).Commit()
	t.must(err)
	t.want(answer.Succeeded, "it was given a lock that it does not own")
	t.must(waiter.Unlock(t.ctx))
}

func election(t *trial) {
	name := t.prefix + "e"
	first := concurrency.NewElection(t.session(t.client), name)
	_, err := first.Leader(t.ctx)
	t.refused(err, concurrency.ErrElectionNoLeader)
	t.refused(first.Proclaim(t.ctx, "x"), concurrency.ErrElectionNotLeader)
	observing, cancel := context.WithCancel(t.ctx)
	defer cancel()
	seen := first.Observe(observing)
	leads := func(wanted string) {
		got := next(t, "the leader "+wanted, seen)
		t.want(string(got.Kvs[0].Value) == wanted, "%s leads, and not %s", got.Kvs[0].Value, wanted)
	}
	t.must(first.Campaign(t.ctx, "one"))
	leads("one")
	t.must(first.Proclaim(t.ctx, "one, louder"))
	leads("one, louder")
	second := concurrency.NewElection(t.session(t.another()), name)
	elected := make(chan error, 1)
	go func() { elected <- second.Campaign(t.ctx, "two") }()
	t.until("two stand", func() bool { return t.count(name+"/") == 2 })
	nothingYet(t, "a second leader", elected)
	got, err := second.Leader(t.ctx)
	t.must(err)
	t.want(string(got.Kvs[0].Value) == "one, louder" && string(got.Kvs[0].Key) == first.Key(), "%v", got.Kvs)
	resumed := concurrency.ResumeElection(t.session(t.client), name, first.Key(), first.Rev())
	t.must(resumed.Resign(t.ctx))
	t.must(next(t, "the second leads", elected))
	leads("two")
	t.refused(first.Proclaim(t.ctx, "x"), concurrency.ErrElectionNotLeader)
	t.must(second.Resign(t.ctx))
	_, err = first.Leader(t.ctx)
	t.refused(err, concurrency.ErrElectionNoLeader)
}

func electionThroughFailover(t *trial) {
	name := t.prefix + "e"
	first := concurrency.NewElection(t.session(t.client, concurrency.WithTTL(10)), name)
	t.must(first.Campaign(t.ctx, "one"))
	second := concurrency.NewElection(t.session(t.another(), concurrency.WithTTL(10)), name)
	elected := make(chan error, 1)
	go func() { elected <- second.Campaign(t.ctx, "two") }()
	t.until("two stand", func() bool { return t.count(name+"/") == 2 })
	startAgain := t.killLeader()
	t.again("a proclamation", func() error {
		err := first.Proclaim(t.ctx, "one, still")
		t.want(!errors.Is(err, concurrency.ErrElectionNotLeader), "the lead was lost with the leader of the cluster")
		return err
	})
	startAgain()
	nothingYet(t, "a second leader", elected)
	t.again("a resignation", func() error { return first.Resign(t.ctx) })
	t.must(next(t, "the second leads", elected))
	got, err := first.Leader(t.ctx)
	t.must(err)
	t.want(string(got.Kvs[0].Value) == "two", "%v", got.Kvs)
}

// Accounts among which many transfer at once: the sum stays.
func stm(t *trial) {
	const accounts, each, clients = 5, 20, 6
	account := func(number int) string { return fmt.Sprintf("%saccount/%d", t.prefix, number%accounts) }
	for _, isolation := range []concurrency.Isolation{
		concurrency.SerializableSnapshot, concurrency.Serializable, concurrency.RepeatableReads,
	} {
		for number := range accounts {
			_, err := t.client.Put(t.ctx, account(number), "100")
			t.must(err)
		}
		options := []concurrency.STMOption{concurrency.WithIsolation(isolation), concurrency.WithAbortContext(t.ctx)}
		t.together(clients, func(number int) error {
			// Each keeps to one member: of several one may be behind what another has shown.
			client, err := t.connect(at(t.urls()[number%t.size]))
			if err != nil {
				return err
			}
			defer client.Close()
			for round := range each {
				from, to := account(number+round), account(number+3*round+1)
				if from == to {
					continue
				}
				_, err := concurrency.NewSTM(client, func(stm concurrency.STM) error {
					left, _ := strconv.Atoi(stm.Get(from))
					right, _ := strconv.Atoi(stm.Get(to))
					stm.Put(from, strconv.Itoa(left-1))
					stm.Put(to, strconv.Itoa(right+1))
					return nil
				}, options...)
				if err != nil {
					return err
				}
			}
			return nil
		})
		got, err := t.client.Get(t.ctx, t.prefix+"account/", clientv3.WithPrefix())
		t.must(err)
		sum := 0
		for _, kv := range got.Kvs {
			value, _ := strconv.Atoi(string(kv.Value))
			sum += value
		}
		t.want(sum == 100*accounts, "isolation %v: the sum is %d", isolation, sum)
	}
	given := errors.New("given up")
	_, err := concurrency.NewSTM(t.client, func(stm concurrency.STM) error {
		stm.Put(account(0), "nothing")
		return given
	})
	t.refused(err, given)
	got, err := t.client.Get(t.ctx, account(0))
	t.must(err)
	t.want(string(got.Kvs[0].Value) != "nothing", "what was given up was written")
	_, err = concurrency.NewSTM(t.client, func(stm concurrency.STM) error {
		stm.Del(account(0))
		stm.Put(account(1), stm.Get(account(2)))
		t.want(stm.Rev(account(2)) > 0, "a key without a revision")
		return nil
	}, concurrency.WithPrefetch(account(2)))
	t.must(err)
	t.want(t.count(account(0)) == 0, "what was deleted is there")
}
