// Command services is an example of how a module talks to the services of a site over its tunnel: to a directory, an SQL
// database, a file share and a web server, each by the library that a module would use for it, with the certificates
// checked against the names that the services have there. It serves a page to the site as well, and has no port on the PBX.
//
// It does nothing but that when it is tested: culvert config test services/default says what works.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
)

func main() { sdk.Serve(services{}) }

type services struct{}

type settings struct {
	Site      sdk.Site  `json:"site" title:"Site" slots:"ldap,ldaps,sql,smb,web,page"`
	CA        string    `json:"ca" title:"Certificates of who vouches for the services, PEM" help:"empty: those of the system" maxlen:"16000"`
	Directory directory `json:"directory" title:"Directory"`
	Database  database  `json:"database" title:"PostgreSQL database"`
	Share     share     `json:"share" title:"File share"`
	Web       web       `json:"web" title:"Web server"`
}

func inward(name, title, spec string) sdk.Slot {
	return sdk.Slot{Name: name, Title: title, Kinds: []sdk.Kind{sdk.Reach}, Spec: spec}
}

var (
	slotLDAP  = inward("ldap", "Directory, StartTLS", ":389")
	slotLDAPS = inward("ldaps", "Directory, TLS from the start", ":636")
	slotSQL   = inward("sql", "PostgreSQL", ":5432")
	slotSMB   = inward("smb", "File share", ":445")
	slotWeb   = inward("web", "Web server, HTTPS", ":443")
	slotPage  = sdk.Slot{Name: "page", Title: "The module's own page", Kinds: []sdk.Kind{sdk.Expose}, Spec: ":8081"}
)

func (services) Describe() sdk.Description {
	return sdk.Description{
		Name: "services", Version: "1.0.0",
		Slots: []sdk.Slot{slotLDAP, slotLDAPS, slotSQL, slotSMB, slotWeb, slotPage},
	}
}

// Run has the tunnel made and serves the page, where its slot is on.
func (services) Run(ctx context.Context, in *sdk.Instance[settings]) error {
	if err := in.Declare(ctx, in.Settings.Site.Tunnel()); err != nil {
		return err
	}
	if !in.Settings.Site.On(slotPage) {
		<-ctx.Done()
		return ctx.Err()
	}
	l, err := in.Listen(in.Settings.Site.Mapping(slotPage))
	if err != nil {
		return err
	}
	return servePage(ctx, l, in.Configuration)
}

// servePage serves until ctx ends. Whatever http.Server does works on a listener of the tunnel.
func servePage(ctx context.Context, l net.Listener, configuration string) error {
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "services/%s was asked for %s\n", configuration, r.URL.Path)
		}),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return ctx.Err()
}

var _ sdk.Tester[settings] = services{}

// Test tries every service whose slot is on.
func (services) Test(_ context.Context, in *sdk.Instance[settings], t *sdk.Steps) {
	const tunnelStep = "tunnel"
	t.Do(tunnelStep, in.TunnelIsUp(in.Settings.Site))
	for _, s := range []struct {
		name string
		slot sdk.Slot
		try  func(context.Context, connect, *tls.Config) (string, error)
	}{
		{"directory, StartTLS", slotLDAP, in.Settings.Directory.startTLS},
		{"directory, TLS", slotLDAPS, in.Settings.Directory.tls},
		{"database", slotSQL, in.Settings.Database.try},
		{"file share", slotSMB, in.Settings.Share.try},
		{"web server", slotWeb, in.Settings.Web.try},
	} {
		t.Do(s.name, func(ctx context.Context) (string, error) {
			if !in.Settings.Site.On(s.slot) {
				return "", sdk.Skip("slot " + s.slot.Name + " is off")
			}
			trust, err := in.Settings.trust()
			if err != nil {
				return "", err
			}
			return s.try(ctx, in.DialFunc(in.Settings.Site.Mapping(s.slot)), trust)
		}, tunnelStep)
	}
}

// connect makes a connection to a service, wherever that is: the libraries' own addresses are passed over.
type connect = func(ctx context.Context, network, addr string) (net.Conn, error)

// trust is the TLS that is spoken to all services; each gives it the name that its certificate must have. That is the
// service's name at the site, and never the address of an end of the tunnel.
func (s settings) trust() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CA == "" {
		return c, nil
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM([]byte(s.CA)) {
		return nil, sdk.Failure("the setting ca holds no certificate", "give it as PEM: -----BEGIN CERTIFICATE----- ...")
	}
	return c, nil
}

func named(c *tls.Config, server string) *tls.Config {
	c = c.Clone()
	c.ServerName = server
	return c
}
