package control

import (
	"net/http"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// access is what a route demands of its caller, beside the token, which every route demands.
type access int

const (
	reading  access = iota // shows something
	changing               // changes what the registry holds or what runs; the caller stands in the journal
)

// route is one line of the API. A handler returns an error instead of writing one.
type route struct {
	pattern string
	access  access
	handle  func(*Server, http.ResponseWriter, *http.Request) error
}

// routes is the whole API, stable: lines may be added, none changes its meaning.
var routes = []route{
	{"GET /v1/status", reading, (*Server).getStatus},
	{"GET /v1/version", reading, (*Server).getVersion},
	{"GET /v1/key", reading, (*Server).getKey},
	{"GET /v1/events", reading, (*Server).getEvents},
	{"GET /v1/watch", reading, (*Server).getWatch},
	{"POST /v1/check", changing, (*Server).postCheck},

	{"GET /v1/tunnels", reading, (*Server).listTunnels},
	{"POST /v1/tunnels", changing, (*Server).addTunnel},
	{"GET /v1/tunnels/{owner}/{name}", reading, (*Server).showTunnel},
	{"PATCH /v1/tunnels/{owner}/{name}", changing, (*Server).editTunnel},
	{"DELETE /v1/tunnels/{owner}/{name}", changing, (*Server).removeTunnel},
	{"POST /v1/tunnels/{owner}/{name}/enable", changing, (*Server).enableTunnel},
	{"POST /v1/tunnels/{owner}/{name}/disable", changing, (*Server).disableTunnel},
	{"POST /v1/tunnels/{owner}/{name}/restart", changing, (*Server).restartTunnel},
	{"POST /v1/tunnels/{owner}/{name}/accept-key", changing, (*Server).acceptKey},
	{"POST /v1/tunnels/{owner}/{name}/secret", changing, (*Server).setSecret},

	{"GET /v1/modules", reading, (*Server).listModules},
	{"GET /v1/modules/{module}", reading, (*Server).showModule},
	{"GET /v1/modules/{module}/log", reading, (*Server).moduleLog},
	{"POST /v1/modules/{module}/restart", changing, (*Server).restartModule},
	{"POST /v1/modules/{module}/accept", changing, (*Server).acceptModule},

	{"GET /v1/configurations", reading, (*Server).listConfigurations},
	{"POST /v1/configurations", changing, (*Server).addConfiguration},
	{"GET /v1/configurations/{module}/{name}", reading, (*Server).showConfiguration},
	{"PATCH /v1/configurations/{module}/{name}", changing, (*Server).setConfiguration},
	{"DELETE /v1/configurations/{module}/{name}", changing, (*Server).removeConfiguration},
	{"POST /v1/configurations/{module}/{name}/enable", changing, (*Server).enableConfiguration},
	{"POST /v1/configurations/{module}/{name}/disable", changing, (*Server).disableConfiguration},
}

// Handler answers the routes, each behind the guard.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.Handle(r.pattern, s.guard(r))
	}
	mux.Handle("/", s.guard(route{handle: (*Server).noRoute}))
	return mux
}

func (s *Server) noRoute(_ http.ResponseWriter, r *http.Request) error {
	what := r.Method + " " + tunnel.Clean(r.URL.Path, 120)
	return &Error{Status: http.StatusNotFound, Code: "no-route", Message: "the control API has no " + what,
		Hint: "daemon and program may be of different versions: culvert --version and culvertd --version"}
}
