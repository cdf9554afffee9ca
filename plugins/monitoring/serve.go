package main

import (
	"context"
	"errors"
	"iter"
	"net"
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// A scrape answers within these, whatever happens.
const (
	listLimit   = 5 * time.Second  // to read the tunnels
	scrapeLimit = 10 * time.Second // for the whole answer
	maxScrapes  = 4                // at a time; more are answered with 503
)

// list reads all tunnels, as sdk.Instance does.
type list func(context.Context) iter.Seq2[tunnel.View, error]

// newRegistry has every series, with the label pbx where it is not empty. What it asks the host for ends with ctx.
func newRegistry(ctx context.Context, tunnels list, modules measured, pbx string, log hclog.Logger) *prometheus.Registry {
	own := prometheus.NewRegistry()
	var r prometheus.Registerer = own
	if pbx != "" {
		r = prometheus.WrapRegistererWith(prometheus.Labels{"pbx": pbx}, own)
	}
	r.MustRegister(&tunnelCollector{ctx: ctx, list: tunnels, log: log}, &moduleCollector{ctx: ctx, ask: modules, log: log}, &machineCollector{log: log})
	return own
}

// newHandler serves /metrics from a registry of its own.
func newHandler(ctx context.Context, tunnels list, modules measured, pbx string, log hclog.Logger) http.Handler {
	own := newRegistry(ctx, tunnels, modules, pbx, log)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(own, promhttp.HandlerOpts{
		ErrorLog:            log.StandardLogger(nil),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
		Timeout:             scrapeLimit,
	}))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("Culvert monitoring: the metrics are at /metrics\n"))
	})
	return mux
}

// serve answers connections of l until ctx ends, and gives scrapes under way a moment then.
func serve(ctx context.Context, l net.Listener, h http.Handler, log hclog.Logger) error {
	s := &http.Server{
		Handler:           h,
		ErrorLog:          log.StandardLogger(nil),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      scrapeLimit + 5*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := s.Shutdown(grace); err != nil {
		log.Warn("a scrape was cut off", "error", errors.Join(err, s.Close()))
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return ctx.Err()
}
