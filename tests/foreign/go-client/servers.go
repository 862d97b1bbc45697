package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Time for a member to answer after its start.
const startTime = time.Minute

// Members as processes of their own, in a directory that goes with them.
type servers struct {
	kind    string
	size    int
	dir     string
	files   *certificates
	members []*process
	lock    sync.Mutex
}

type process struct {
	name      string
	address   string
	command   []string
	running   *exec.Cmd
	errorFile string
}

// Members that are not started yet; with TLS for clients and between members when they are to be secure.
func prepare(kind, binary string, size int, secure bool) (*servers, error) {
	dir, err := os.MkdirTemp("", "go-client-")
	if err != nil {
		return nil, err
	}
	s := &servers{kind: kind, size: size, dir: dir}
	scheme := "http"
	if secure {
		scheme = "https"
		if s.files, err = newCertificates(dir); err != nil {
			return nil, err
		}
	}
	addresses, err := freeAddresses(2 * size)
	if err != nil {
		return nil, err
	}
	clients, peers := addresses[:size], addresses[size:]
	if kind == "mini" {
		// One port serves clients and peers.
		peers = clients
	}
	var all []string
	for number, peer := range peers {
		all = append(all, fmt.Sprintf("n%d=%s://%s", number+1, scheme, peer))
	}
	for number := range size {
		name := fmt.Sprintf("n%d", number+1)
		data := filepath.Join(dir, name)
		command := []string{binary, "--name=" + name}
		if kind == "mini" {
			command = append(command, "--data="+data, "--listen="+clients[number])
			if size > 1 {
				command = append(command, "--peers="+strings.Join(all, ","))
			}
		} else {
			url := scheme + "://" + clients[number]
			peer := scheme + "://" + peers[number]
			command = append(command, "--data-dir="+data, "--listen-client-urls="+url, "--advertise-client-urls="+url,
				"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer,
				"--initial-cluster="+strings.Join(all, ","), "--log-level=error",
				// A busy machine changes the leader less often so; leases of two seconds still are.
				"--heartbeat-interval=130", "--election-timeout=1300")
		}
		if secure {
			command = append(command, s.files.flags()...)
		}
		s.members = append(s.members, &process{name: name, address: clients[number], command: command, errorFile: data + ".err"})
	}
	return s, nil
}

func freeAddresses(count int) ([]string, error) {
	var addresses []string
	for range count {
		// All are held at once, so that none comes twice.
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses, nil
}

func (s *servers) start(number int) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	member := s.members[number]
	file, err := os.OpenFile(member.errorFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	member.running = exec.Command(member.command[0], member.command[1:]...)
	member.running.Stdout, member.running.Stderr = file, file
	return member.running.Start()
}

// SIGKILL.
func (s *servers) kill(number int) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	member := s.members[number]
	if member.running == nil {
		return fmt.Errorf("%s does not run", member.name)
	}
	err := member.running.Process.Kill()
	member.running.Wait()
	member.running = nil
	return err
}

func (s *servers) startAll() error {
	for number := range s.members {
		if err := s.start(number); err != nil {
			return err
		}
	}
	return s.ready()
}

// Waits until each member answers a read of its own.
func (s *servers) ready() error {
	for _, member := range s.members {
		client, err := s.connect(at(s.url(member)))
		if err != nil {
			return err
		}
		defer client.Close()
		deadline := time.Now().Add(startTime)
		for {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			_, err := client.Get(ctx, "ready")
			cancel()
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("%s does not answer: %w", member.name, err)
			}
		}
	}
	return nil
}

// Ends all members, and what they left.
func (s *servers) stop() {
	for number, member := range s.members {
		if member.running != nil {
			s.kill(number)
		}
	}
	os.RemoveAll(s.dir)
}

// The end of what each member said.
func (s *servers) errors() string {
	var all strings.Builder
	for _, member := range s.members {
		text, _ := os.ReadFile(member.errorFile)
		if len(text) > 2000 {
			text = text[len(text)-2000:]
		}
		fmt.Fprintf(&all, "-- %s\n%s\n", member.name, text)
	}
	return all.String()
}

func (s *servers) url(member *process) string {
	if s.files != nil {
		return "https://" + member.address
	}
	return "http://" + member.address
}

func (s *servers) urls() []string {
	var urls []string
	for _, member := range s.members {
		urls = append(urls, s.url(member))
	}
	return urls
}

// The addresses as of members that speak plain text.
func (s *servers) plain() []string {
	var urls []string
	for _, member := range s.members {
		urls = append(urls, "http://"+member.address)
	}
	return urls
}

// A directory that goes with the members.
func (t *trial) elsewhere() string {
	dir, err := os.MkdirTemp(t.dir, "")
	t.must(err)
	return dir
}

// A client of all members; of secure ones as root, by certificate and by login once users are on.
func (s *servers) connect(change ...func(*clientv3.Config)) (*clientv3.Client, error) {
	config := clientv3.Config{Endpoints: s.urls(), DialTimeout: 5 * time.Second, Logger: quiet}
	if s.files != nil {
		config.TLS = s.files.of("root")
	}
	for _, change := range change {
		change(&config)
	}
	return clientv3.New(config)
}

func at(urls ...string) func(*clientv3.Config) {
	return func(config *clientv3.Config) { config.Endpoints = urls }
}

func with(files *tls.Config) func(*clientv3.Config) {
	return func(config *clientv3.Config) { config.TLS = files }
}

func as(name, password string) func(*clientv3.Config) {
	return func(config *clientv3.Config) { config.Username, config.Password = name, password }
}

// The member that leads, by what it says itself.
func (s *servers) leader(ctx context.Context, client *clientv3.Client) (int, error) {
	for ctx.Err() == nil {
		for number, member := range s.members {
			if member.running == nil {
				continue
			}
			short, cancel := context.WithTimeout(ctx, 2*time.Second)
			status, err := client.Status(short, s.url(member))
			cancel()
			if err == nil && status.Leader != 0 && status.Leader == status.Header.MemberId {
				return number, nil
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return 0, errors.New("nobody leads")
}

// Kills the leader. A member alone is started again at once; of several the others go on, and what this answers starts it.
func (t *trial) killLeader() (startAgain func()) {
	leader, err := t.leader(t.ctx, t.client)
	t.must(err)
	t.must(t.kill(leader))
	startAgain = func() {
		t.must(t.start(leader))
		t.must(t.ready())
	}
	if t.size == 1 {
		startAgain()
		return func() {}
	}
	return startAgain
}
