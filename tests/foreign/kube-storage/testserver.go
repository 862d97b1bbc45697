// Package testserver takes the place of k8s.io/apiserver/pkg/storage/etcd3/testserver: the server that a test asks for is a
// process of its own, TEST_SERVER_BIN with etcd's flags, instead of an etcd within the test.
package testserver

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/kubernetes"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest"
	storagetesting "k8s.io/apiserver/pkg/storage/testing"
)

// Time for a server to answer after its start.
const startTime = time.Minute

// How much of what a server said is shown when its test fails.
const shownBytes = 4000

// From the choice of ports until the server listens, so that the same ones are not chosen twice.
var portsLock sync.Mutex

// NewTestConfig names a directory and addresses that nobody uses.
func NewTestConfig(t testing.TB) *embed.Config {
	config := embed.NewConfig()
	config.Dir = t.TempDir()
	var addresses []url.URL
	for range 2 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		addresses = append(addresses, url.URL{Scheme: "http", Host: listener.Addr().String()})
	}
	config.ListenClientUrls, config.AdvertiseClientUrls = addresses[:1], addresses[:1]
	config.ListenPeerUrls, config.AdvertisePeerUrls = addresses[1:], addresses[1:]
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	return config
}

// RunEtcd starts a server that ends with the test, and answers a client of it.
func RunEtcd(t testing.TB, config *embed.Config) *kubernetes.Client {
	t.Helper()
	if config == nil {
		portsLock.Lock()
		defer portsLock.Unlock()
		config = NewTestConfig(t)
	}
	ended := start(t, config)
	address := config.ListenClientUrls[0]
	deadline := time.Now().Add(startTime)
	// Not by the client, which waits for a second after an address that refused it.
	for !listens(address.Host) {
		select {
		case <-ended:
			t.Fatal("the server ended")
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("the server does not listen")
		}
	}
	client, err := kubernetes.New(clientv3.Config{
		Endpoints:   []string{address.String()},
		DialTimeout: 10 * time.Second,
		Logger:      zaptest.NewLogger(t, zaptest.Level(zapcore.ErrorLevel)).Named("etcd-client"),
	})
	if err != nil {
		t.Fatal(err)
	}
	// It would go on to connect for as long as other tests run.
	t.Cleanup(func() { client.Close() })
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	if _, err := client.Client.Get(ctx, "ready"); err != nil {
		t.Fatalf("the server does not answer: %v", err)
	}
	// The tests count the client's requests.
	recorder := storagetesting.NewKubernetesRecorder(client.Kubernetes)
	client.KV = storagetesting.NewKVRecorder(client.KV, recorder)
	client.Kubernetes = recorder
	return client
}

// Starts the server; what it answers is closed when the process is gone.
func start(t testing.TB, config *embed.Config) <-chan struct{} {
	client, peer := config.ListenClientUrls[0].String(), config.ListenPeerUrls[0].String()
	flags := []string{
		"--name=" + config.Name, "--data-dir=" + config.Dir, "--log-level=error",
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=" + config.InitialCluster,
		fmt.Sprintf("--max-request-bytes=%d", config.MaxRequestBytes),
		fmt.Sprintf("--quota-backend-bytes=%d", config.QuotaBackendBytes),
	}
	if config.WatchProgressNotifyInterval != 0 {
		flags = append(flags, "--watch-progress-notify-interval="+config.WatchProgressNotifyInterval.String())
	}
	command := exec.Command(os.Getenv("TEST_SERVER_BIN"), flags...)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		err := command.Wait()
		select {
		case <-stopped:
		default:
			t.Errorf("the server ended: %v", err)
		}
	}()
	t.Cleanup(func() {
		close(stopped)
		command.Process.Kill()
		<-ended
		if text := said.Bytes(); t.Failed() && len(text) > 0 {
			t.Logf("the server said: %s", text[max(0, len(text)-shownBytes):])
		}
	})
	return ended
}

func listens(address string) bool {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	connection.Close()
	return true
}
