package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
)

const (
	siteUser    = "pbx"
	servicePage = "customer data base of the site: 2 customers, 3 telephone numbers\n"
)

// site is the far end: an SSH server and a service that listens on the site's own loopback.
type site struct {
	ssh         *sshtest.Server
	http        *http.Server
	servicePort int // behind the SSH server
	metricsPort int // on the SSH server, for the PBX's page
	localPort   int // on the PBX, for the site's service
}

func startSite(o sshtest.Options) (*site, error) {
	s := &site{}
	var err error
	if s.ssh, err = sshtest.Start(o); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.ssh.Close()
		return nil, err
	}
	s.servicePort = l.Addr().(*net.TCPAddr).Port
	s.http = &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, servicePage)
	})}
	go func() { _ = s.http.Serve(l) }()
	for _, p := range []*int{&s.metricsPort, &s.localPort} {
		if *p, err = freePort(); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

func (s *site) close() {
	s.ssh.Close()
	s.http.Close()
}

// server is the SERVER text for this site.
func (s *site) server() string { return siteUser + "@127.0.0.1:" + strconv.Itoa(s.ssh.Port()) }

// freePort is a port that nobody listens on at this moment.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func readAll(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, 1<<20))
	return string(b), err
}

// onlySite runs the site alone, for a daemon of your own.
func onlySite(ctx context.Context) error {
	password := rand.Text()
	s, err := startSite(sshtest.Options{Password: password})
	if err != nil {
		return err
	}
	defer s.close()
	say("A site: SSH server %s, host key %s", s.server(), s.ssh.Fingerprint())
	detail("password of %s: %s", siteUser, password)
	detail("a service behind it: 127.0.0.1:%d", s.servicePort)
	detail("for example: culvert tunnel add operator/demo --server %s --password-stdin --reach 18080:127.0.0.1:%d", s.server(), s.servicePort)
	<-ctx.Done()
	return nil
}
