// What a user of etcd's own Go client does, step by step, each with its results checked: once in plain text, once with TLS
// and users. The first step that does not end as it must is named, and ends the program.
//
// usage: go-client KIND BINARY SIZE    KIND is mini or etcd, BINARY its server, SIZE the number of members.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// Longest time of one step.
const stepTime = 2 * time.Minute

// What a step has at hand.
type trial struct {
	*servers
	ctx    context.Context
	client *clientv3.Client
	// Keys of this step, and of no other, begin so.
	prefix string
}

// Why a step failed.
type failure string

// Ends the step when something that must be is not.
func (t *trial) want(holds bool, format string, values ...any) {
	if !holds {
		panic(failure(fmt.Sprintf(format, values...)))
	}
}

func (t *trial) must(err error) {
	t.want(err == nil, "%v", err)
}

// The error that must come.
func (t *trial) refused(err, wanted error) {
	t.want(errors.Is(err, wanted), "refused with %q, and not with %q", err, wanted)
}

// Runs a function in so many goroutines; the first error ends the step.
func (t *trial) together(count int, run func(number int) error) {
	done := make(chan error, count)
	for number := range count {
		go func() { done <- run(number) }()
	}
	for range count {
		t.must(<-done)
	}
}

// Waits until something is so.
func (t *trial) until(what string, holds func() bool) {
	for !holds() {
		t.want(t.ctx.Err() == nil, "never so: %s", what)
		time.Sleep(20 * time.Millisecond)
	}
}

// What comes next; the step ends when nothing does.
func next[T any](t *trial, what string, from <-chan T) T {
	select {
	case value, open := <-from:
		t.want(open, "%s: nothing more comes", what)
		return value
	case <-t.ctx.Done():
		t.want(false, "%s: nothing comes", what)
	}
	panic("unreachable")
}

// Waits for a channel to be closed.
func (t *trial) closed(what string, channel <-chan struct{}) {
	select {
	case <-channel:
	case <-t.ctx.Done():
		t.want(false, "%s: it does not end", what)
	}
}

func nothingYet[T any](t *trial, what string, from <-chan T) {
	select {
	case value := <-from:
		t.want(false, "%s: too early: %v", what, value)
	default:
	}
}

// A further client, closed with the step. One with a login needs a leader already now.
func (t *trial) another(change ...func(*clientv3.Config)) *clientv3.Client {
	var client *clientv3.Client
	t.again("a client", func() (err error) {
		client, err = t.connect(change...)
		return err
	})
	context.AfterFunc(t.ctx, func() { client.Close() })
	return client
}

type step struct {
	name string
	run  func(*trial)
}

// Runs the steps in turn on members of their own.
func runAll(s *servers, steps []step) (failed string) {
	defer s.stop()
	if err := s.startAll(); err != nil {
		return fmt.Sprintf("the start: %v", err)
	}
	for number, step := range steps {
		begun := time.Now()
		if failed := runOne(s, step, fmt.Sprintf("step%02d/", number)); failed != "" {
			return fmt.Sprintf("%s: %s\n%s", step.name, failed, s.errors())
		}
		fmt.Printf("  ok  %-42s %6.2f s\n", step.name, time.Since(begun).Seconds())
	}
	return ""
}

func runOne(s *servers, step step, prefix string) (failed string) {
	ctx, cancel := context.WithTimeout(context.Background(), stepTime)
	defer cancel()
	defer func() {
		switch reason := recover().(type) {
		case nil:
		case failure:
			failed = fmt.Sprintf("%s\n%s", reason, where())
		default:
			panic(reason)
		}
	}()
	client, err := s.connect()
	if err != nil {
		return err.Error()
	}
	defer client.Close()
	step.run(&trial{s, ctx, client, prefix})
	return ""
}

// The lines of this program that led to a failure.
func where() string {
	var lines []string
	for _, line := range strings.Split(string(debug.Stack()), "\n") {
		if strings.Contains(line, "go-client/") && strings.Contains(line, ".go:") && !strings.Contains(line, "main.go") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

func main() {
	if len(os.Args) != 4 || (os.Args[1] != "mini" && os.Args[1] != "etcd") {
		fmt.Fprintln(os.Stderr, "usage: go-client mini|etcd BINARY SIZE")
		os.Exit(2)
	}
	size, err := strconv.Atoi(os.Args[3])
	if err != nil || size < 1 {
		fmt.Fprintln(os.Stderr, "SIZE is a number of members, 1 at the least")
		os.Exit(2)
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT, syscall.SIGTERM)
	for _, part := range []struct {
		secure bool
		steps  []step
	}{{false, plainSteps}, {true, secureSteps}} {
		servers, err := prepare(os.Args[1], os.Args[2], size, part.secure)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go func() {
			<-interrupted
			servers.stop()
			os.Exit(130)
		}()
		if failed := runAll(servers, part.steps); failed != "" {
			fmt.Fprintf(os.Stderr, "FAILED on %d member(s) of %s: %s\n", size, os.Args[1], failed)
			os.Exit(1)
		}
	}
	fmt.Printf("clientv3 %s on %d member(s) of %s: %d steps in plain text, %d with TLS and users\n",
		clientVersion(), size, os.Args[1], len(plainSteps), len(secureSteps))
}

var plainSteps = []step{
	{"keys: put, get, ranges, pages, deletes", keys},
	{"keys: refusals", refusals},
	{"keys: a stream of a range", rangeStream},
	{"transactions: conditions, nested, both ways", transactions},
	{"transactions: a counter of eight clients", counter},
	{"leases: kept alive, listed, revoked, over", leases},
	{"watch: order, versions before, filters", watches},
	{"watch: the past and a compaction", watchThePast},
	{"watch: through a failover", watchThroughFailover},
	{"session: ends with its lease, can be taken up", sessions},
	{"mutex: one at a time", mutex},
	{"mutex: held through a failover", mutexThroughFailover},
	{"election: campaign, observe, resign", election},
	{"election: through a failover", electionThroughFailover},
	{"STM: money is neither made nor lost", stm},
	{"leasing: cached reads and others' writes", leasingKV},
	{"ordering: reads of no earlier state", orderingKV},
	{"namespace: keys, watches, leases", namespaces},
	{"mirror: base and updates", mirrorAll},
	{"naming: endpoints of a service", naming},
	{"maintenance: status, hash, snapshot, defrag", maintenance},
	{"members: list, synced endpoints, move-leader", members},
}

var secureSteps = []step{
	{"TLS: who shows no certificate stays out", strangers},
	{"users: roles, rights, auth enable", usersBegin},
	{"users: what each may", usersMay},
	{"users: a certificate's name is a user", certificateUser},
	{"users: logins outlive their member", loginThroughFailover},
	{"users: a mutex of an ordinary user", userMutex},
	{"users: auth disable", usersEnd},
}

func clientVersion() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "go.etcd.io/etcd/client/v3" {
			return module.Version
		}
	}
	return "?"
}

var quiet = zap.NewNop()
