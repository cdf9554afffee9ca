package control

import (
	"net/http"
	"slices"
	"strings"

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
	handle  handler
	query   query // what may stand behind the ?; nil for nothing
}

type handler func(*Server, http.ResponseWriter, *http.Request) error

// routes is the whole API, stable: lines may be added, none changes its meaning.
var routes = []route{
	{"GET /v1/status", reading, (*Server).getStatus, nil},
	{"GET /v1/version", reading, (*Server).getVersion, nil},
	{"GET /v1/key", reading, (*Server).getKey, nil},
	{"GET /v1/events", reading, (*Server).getEvents, query{"tunnel": ofTunnel, "follow": ofSwitch}},
	{"GET /v1/watch", reading, (*Server).getWatch, nil},
	{"POST /v1/check", changing, (*Server).postCheck, nil},

	{"GET /v1/tunnels", reading, (*Server).listTunnels, query{"owner": ofOwner}},
	{"POST /v1/tunnels", changing, (*Server).addTunnel, nil},
	{"GET /v1/tunnels/{owner}/{name}", reading, (*Server).showTunnel, nil},
	{"GET /v1/tunnels/{owner}/{name}/explain", reading, (*Server).explainTunnel, nil},
	{"GET /v1/tunnels/{owner}/{name}/key", reading, (*Server).showTunnelKey, nil},
	{"PATCH /v1/tunnels/{owner}/{name}", changing, (*Server).editTunnel, nil},
	{"DELETE /v1/tunnels/{owner}/{name}", changing, (*Server).removeTunnel, nil},
	{"POST /v1/tunnels/{owner}/{name}/enable", changing, (*Server).enableTunnel, nil},
	{"POST /v1/tunnels/{owner}/{name}/disable", changing, (*Server).disableTunnel, nil},
	{"POST /v1/tunnels/{owner}/{name}/restart", changing, (*Server).restartTunnel, nil},
	{"POST /v1/tunnels/{owner}/{name}/accept-key", changing, (*Server).acceptKey, nil},
	{"POST /v1/tunnels/{owner}/{name}/secret", changing, (*Server).setSecret, nil},

	{"GET /v1/templates", reading, (*Server).listTemplates, nil},

	{"GET /v1/modules", reading, (*Server).listModules, nil},
	{"GET /v1/modules/{module}", reading, (*Server).showModule, nil},
	{"GET /v1/modules/{module}/settings", reading, (*Server).moduleSettings, nil},
	{"GET /v1/modules/{module}/log", reading, (*Server).moduleLog, query{"follow": ofSwitch}},
	{"POST /v1/modules/{module}/restart", changing, (*Server).restartModule, nil},
	{"POST /v1/modules/{module}/accept", changing, (*Server).acceptModule, query{"unsandboxed": ofSwitch}},
	{"POST /v1/modules/{module}/grant", changing, (*Server).grantModule, nil},
	{"POST /v1/modules/{module}/revoke", changing, (*Server).revokeModule, nil},

	{"GET /v1/configurations", reading, (*Server).listConfigurations, nil},
	{"POST /v1/configurations", changing, (*Server).addConfiguration, nil},
	{"GET /v1/configurations/{module}/{name}", reading, (*Server).showConfiguration, nil},
	{"PATCH /v1/configurations/{module}/{name}", changing, (*Server).setConfiguration, nil},
	{"DELETE /v1/configurations/{module}/{name}", changing, (*Server).removeConfiguration, query{"purge": ofSwitch}},
	{"POST /v1/configurations/{module}/{name}/test", changing, (*Server).postTest, nil},
	{"POST /v1/configurations/{module}/{name}/actions/{action}", changing, (*Server).postAction, nil},
	{"POST /v1/configurations/{module}/{name}/jobs/{job}", changing, (*Server).postJob, nil},
	{"POST /v1/configurations/{module}/{name}/enable", changing, (*Server).enableConfiguration, nil},
	{"POST /v1/configurations/{module}/{name}/disable", changing, (*Server).disableConfiguration, nil},

	{"GET /v1/actions", reading, (*Server).listActions, nil},
	{"GET /v1/jobs", reading, (*Server).listJobs, nil},
}

// Handler answers the routes, each behind the guard.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	methods := map[string][]string{} // by path
	for _, r := range routes {
		method, path, _ := strings.Cut(r.pattern, " ")
		methods[path] = append(methods[path], method)
		r.handle = asking(r.query, r.handle)
		mux.Handle(r.pattern, s.guard(r))
	}
	for path, allowed := range methods {
		mux.Handle(path, s.guard(route{handle: only(allowed)}))
	}
	mux.Handle("/", s.guard(route{handle: (*Server).noRoute}))
	return mux
}

// asking is handle for requests whose query is right.
func asking(q query, handle handler) handler {
	return func(s *Server, w http.ResponseWriter, r *http.Request) error {
		if fs := q.check(r); len(fs) > 0 {
			return fs
		}
		return handle(s, w, r)
	}
}

// only refuses every method but those.
func only(allowed []string) handler {
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	slices.Sort(allowed)
	methods := strings.Join(allowed, ", ")
	return func(_ *Server, w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Allow", methods)
		return &Error{Status: http.StatusMethodNotAllowed, Code: "method", Message: tunnel.Clean(r.Method, 20) + " is no method of " + tunnel.Clean(r.URL.Path, 120),
			Hint: "it has " + methods}
	}
}

func (s *Server) noRoute(_ http.ResponseWriter, r *http.Request) error {
	what := r.Method + " " + tunnel.Clean(r.URL.Path, 120)
	return &Error{Status: http.StatusNotFound, Code: "no-route", Message: "the control API has no " + what,
		Hint: "daemon and program may be of different versions: culvert --version and culvertd --version"}
}
