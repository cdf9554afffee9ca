package main

import (
	"context"
	"crypto/tls"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/culvert-pbx/culvert/sdk"
)

type database struct {
	Host     string     `json:"host" title:"Name in its certificate"`
	Name     string     `json:"name" title:"Database"`
	User     string     `json:"user" title:"User"`
	Password sdk.Secret `json:"password" title:"Password"`
}

// try asks through database/sql. A tunnel that comes back has new connections: the pool keeps none for long.
func (d database) try(ctx context.Context, dial connect, trust *tls.Config) (string, error) {
	c, err := d.config(dial, trust)
	if err != nil {
		return "", err
	}
	db := stdlib.OpenDB(*c)
	defer db.Close()
	db.SetMaxOpenConns(4)
	db.SetConnMaxLifetime(5 * time.Minute)
	var version string
	err = db.QueryRowContext(ctx, "SELECT version()").Scan(&version)
	return version, err
}

// config has the server's own name, which is what its certificate is held against; the tunnel takes it there. It is looked
// up nowhere: the PBX need not know it.
func (d database) config(dial connect, trust *tls.Config) (*pgx.ConnConfig, error) {
	at := url.URL{Scheme: "postgres", Host: d.Host, User: url.User(d.User), Path: "/" + d.Name, RawQuery: "sslmode=verify-full"}
	c, err := pgx.ParseConfig(at.String())
	if err != nil {
		return nil, err
	}
	c.Password = d.Password.Reveal()
	c.TLSConfig = named(trust, d.Host)
	c.DialFunc = dial
	c.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	return c, nil
}
