package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"time"
	"unsafe"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
)

// foreignNames declares under the names of others: their configurations, their sites, and what looks like them.
func (f *forger) foreignNames(ctx context.Context, victim string) (all []attempt) {
	owner, name, _ := strings.Cut(victim, "/")
	configuration, site, _ := strings.Cut(name, ".")
	host := hostv1.NewHostServiceClient(f.host)
	for _, as := range []string{owner + "/" + configuration, "../" + owner + "/" + configuration, owner, victim, "/", "operator"} {
		for _, ref := range []string{victim, victim + "/x", owner + "//" + name, " " + victim, strings.ToUpper(victim), "operator/" + name, "/" + name} {
			call, cancel := context.WithTimeout(ctx, 2*time.Second)
			_, err := host.Declare(call, &hostv1.DeclareRequest{
				Configuration: as, Declarations: []*hostv1.Declaration{{Ref: ref, Settings: site}},
			})
			cancel()
			all = append(all, attempt{Method: "Declare", Field: fmt.Sprintf("configuration %q, ref %q", as, ref), Error: text(err)})
		}
	}
	return all
}

// through makes every call over the connection of another module, as itself and as nobody.
func (f *forger) through(ctx context.Context, path, victim string) (all []attempt) {
	for who, c := range map[string]credentials.TransportCredentials{
		"its own key": credentials.NewTLS(f.key()), "another key": credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}), "no key": insecure.NewCredentials(),
	} {
		conn, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(c))
		if err != nil {
			all = append(all, attempt{Method: "Declare", Field: who, Error: err.Error()})
			continue
		}
		for _, a := range (&forger{host: conn}).forgeAll(ctx, victim) {
			a.Field, a.ReadOnly = who+", "+a.Field, false // not even a read is for it
			all = append(all, a)
		}
		conn.Close()
	}
	return all
}

// key is what go-plugin secures this process's connections with.
func (f *forger) key() *tls.Config {
	v := reflect.ValueOf(f.broker).Elem().FieldByName("tls")
	return *(**tls.Config)(unsafe.Pointer(v.UnsafeAddr()))
}

// asOperator asks the control API for every change.
func asOperator(ctx context.Context, o orders) (all []attempt) {
	owner, name, _ := strings.Cut(o.Victim, "/")
	fill := strings.NewReplacer("{owner}", owner, "{name}", name, "{module}", owner, "{ref...}", o.Victim)
	c := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", o.Control)
		},
	}}
	for _, route := range o.Routes {
		method, path, _ := strings.Cut(fill.Replace(route), " ")
		for _, token := range []string{o.Token, ""} {
			a := attempt{Method: route, Field: fmt.Sprintf("token %t", token != "")}
			req, err := http.NewRequestWithContext(ctx, method, "http://culvert"+path, strings.NewReader("{}"))
			if err == nil {
				req.Header.Set("Culvert-Token", token)
				a.Error, err = answer(c.Do(req))
			}
			if err != nil {
				a.Error = err.Error()
			}
			all = append(all, a)
		}
	}
	return all
}

// answer is how a request was refused, "" where it was not.
func answer(resp *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if resp.StatusCode < 400 {
		return "", err
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, b), err
}

// read is all that the host shows.
func (f *forger) read(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s, err := hostv1.NewHostServiceClient(f.host).List(ctx, &hostv1.ListRequest{})
	if err != nil {
		return err.Error()
	}
	var all strings.Builder
	for {
		res, err := s.Recv()
		if err != nil {
			return all.String()
		}
		fmt.Fprintln(&all, res.String())
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
