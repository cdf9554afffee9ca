package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
)

const (
	moduleTunnel   = "monitoring/default.site"
	operatorTunnel = "operator/crm"
)

// story plays everything once, in the order a newcomer would do it.
func story(ctx context.Context, keep bool) error {
	st, err := newStage()
	if err != nil {
		return err
	}
	defer st.remove()
	if err := st.build(ctx); err != nil {
		return err
	}
	began := time.Now()

	say("1. The PBX: culvertd starts with an empty registry and makes the PBX's key pair.")
	d, err := startDaemon(ctx, st)
	if err != nil {
		return err
	}
	defer d.stop()
	if err := d.show(ctx, "key", "show"); err != nil {
		return err
	}

	say("2. The customer's site: an SSH server that lets this key in, and behind it a service that only the site reaches.")
	key, err := d.culvert(ctx, "key", "show")
	if err != nil {
		return err
	}
	customer, err := startSite(sshtest.Options{AuthorizedKeys: strings.Split(strings.TrimSpace(key), "\n")})
	if err != nil {
		return err
	}
	defer customer.close()
	detail("SSH server 127.0.0.1:%d, host key %s", customer.ssh.Port(), customer.ssh.Fingerprint())

	for _, act := range []func(context.Context, *daemon, *site) error{declare, fetch, refuse, cut} {
		if err := act(ctx, d, customer); err != nil {
			return err
		}
	}
	say("That was the whole story, in %.1f s. Culvert can do the same for your PBX and a stock OpenSSH server.", time.Since(began).Seconds())
	if keep {
		return stay(ctx, st)
	}
	detail("To look around in it:  go run ./cmd/demo --keep")
	return nil
}

// declare lets the module declare its tunnel and an operator add one without a module.
func declare(ctx context.Context, d *daemon, s *site) error {
	say("3. The monitoring module gets a configuration. It runs in a process of its own and declares its tunnel:\n" +
		"   the site shall reach the module's Prometheus page, and nothing else of the PBX.")
	if err := d.show(ctx, "config", "add", "monitoring/default",
		"--set", "site.server="+s.server(), "--set", "site.slots.host.spec=:"+strconv.Itoa(s.metricsPort)); err != nil {
		return err
	}
	say("   The operator adds a tunnel without a module: the PBX shall reach the service behind the site's SSH server.")
	if err := d.show(ctx, "tunnel", "add", operatorTunnel, "--server", s.server(), "--key", "host",
		"--reach", fmt.Sprintf("web=%d:127.0.0.1:%d", s.localPort, s.servicePort)); err != nil {
		return err
	}
	for _, name := range []string{moduleTunnel, operatorTunnel} {
		if err := up(ctx, d, name); err != nil {
			return err
		}
	}
	say("   Both are up, and up means proved: a nonce went out through the tunnel and met itself.")
	return d.show(ctx, "tunnel", "list")
}

func up(ctx context.Context, d *daemon, name string) error {
	var v tunnelView
	err := until(ctx, 15*time.Second, name+" to be up", func() (bool, error) {
		var err error
		v, err = d.tunnel(ctx, name)
		return v.State == "up", ignoreNotYet(err)
	})
	if err != nil {
		return fmt.Errorf("%w; it is %s (%s) %s", err, v.State, v.Reason, v.Message)
	}
	return nil
}

// ignoreNotYet lets a tunnel that is not declared yet be asked for again.
func ignoreNotYet(err error) error {
	if err != nil && strings.Contains(err.Error(), "exit status 1") {
		return nil
	}
	return err
}

// fetch reads a page each way: at the site through the module's tunnel, at the PBX through the operator's.
func fetch(ctx context.Context, _ *daemon, s *site) error {
	say("4. At the site somebody asks the SSH server's port %d for the PBX's metrics:", s.metricsPort)
	page, err := get(ctx, s.metricsPort, "/metrics")
	if err != nil {
		return err
	}
	shown := 0
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "culvert_tunnel_up") || strings.HasPrefix(line, "culvert_mapping_up") {
			detail("%s", strings.TrimSpace(line))
			shown++
		}
	}
	if shown == 0 {
		return fmt.Errorf("the page holds no culvert_tunnel_up line:\n%.500s", page)
	}
	say("   And the PBX asks its own port %d for the service behind the site:", s.localPort)
	page, err = get(ctx, s.localPort, "/")
	if err != nil {
		return err
	}
	if page != servicePage {
		return fmt.Errorf("another page came: %.200q", page)
	}
	detail("%s", strings.TrimSpace(page))
	return nil
}

func get(ctx context.Context, port int, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	url := "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) + path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return readAll(resp.Body)
}

// refuse lets the intruder try to take the monitoring module's tunnel.
func refuse(ctx context.Context, d *daemon, _ *site) error {
	say("5. A second module, intruder, sees that tunnel too. It declares it under its own terms, to move it elsewhere:")
	if err := d.show(ctx, "config", "add", "intruder/default"); err != nil {
		return err
	}
	var refusal string
	err := until(ctx, 10*time.Second, "the refusal to stand in the events", func() (bool, error) {
		out, err := d.culvert(ctx, "events", "-o", "json")
		for line := range strings.Lines(out) {
			if strings.Contains(line, `"refused"`) && strings.Contains(line, "module:intruder") && strings.Contains(line, moduleTunnel) {
				refusal = line
			}
		}
		return refusal != "", err
	})
	if err != nil {
		return err
	}
	command("culvert events -o json | grep refused | grep " + moduleTunnel)
	detail("%s", strings.TrimSpace(refusal))
	say("   Who it was is known from the connection, which only that process can use; no name in a message counts.")
	return up(ctx, d, moduleTunnel)
}

// cut breaks the link and waits until data flows again.
func cut(ctx context.Context, d *daemon, s *site) error {
	say("6. The link is cut: the SSH server drops every connection.")
	start := time.Now()
	s.ssh.Cut()
	err := until(ctx, 15*time.Second, "the loss to be noticed", func() (bool, error) {
		out, err := d.culvert(ctx, "events", "-o", "json")
		return strings.Contains(out, "link-lost"), err
	})
	if err != nil {
		return err
	}
	var page string
	err = until(ctx, 15*time.Second, "data to flow again", func() (bool, error) {
		var err error
		page, err = get(ctx, s.metricsPort, "/metrics")
		return err == nil, nil
	})
	if err != nil {
		return err
	}
	detail("noticed, logged in again, proved, and a page of %d bytes fetched: %.2f s after the cut", len(page), time.Since(start).Seconds())
	if err := up(ctx, d, moduleTunnel); err != nil {
		return err
	}
	if err := up(ctx, d, operatorTunnel); err != nil {
		return err
	}
	command("culvert tunnel log " + moduleTunnel)
	out, err := d.culvert(ctx, "tunnel", "log", moduleTunnel)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for _, l := range lines[max(0, len(lines)-5):] {
		detail("%s", l)
	}
	return err
}

func stay(ctx context.Context, st *stage) error {
	say("It stays up until you interrupt it. In another terminal:")
	for _, c := range []string{"events", "tunnel list", "tunnel show " + moduleTunnel, "module list", "status"} {
		detail("%s/culvert --socket %s %s", st.dir, st.socket, c)
	}
	<-ctx.Done()
	say("Stopping.")
	return nil
}
