package api

import (
	"net/http"

	"vitae/cmd/vitae/internal/keys"
)

// route is one row of the table that the mux and the OpenAPI document are made from.
type route struct {
	method, path string
	// open routes need no key. Of the others, a key needs one of the scopes in scope, or
	// one in own if the key is the profile's own; none at all when both are 0.
	open       bool
	scope, own keys.Scope
	all        bool     // needs a key for all profiles
	profile    bool     // is about one profile: the one in the path, the key's, or X-Vitae-Profile's
	inPath     bool     // the profile is in the path
	audited    bool     // an audit read: it is recorded who made it
	dialect    *dialect // whose route it is; nil for our own
	mokaru     bool     // Mokaru documents it too: errors are in its form unless the caller asks otherwise
	run        func(w http.ResponseWriter, r *http.Request) error

	id       string // operationId
	tag      string
	summary  string
	request  string   // schema of the JSON body; "" for none, "file" for multipart, "bytes" for a file alone
	optional bool     // the body may be left out
	reply    string   // schema of the reply; a media type if it holds a slash
	status   int      // of success; 0 is 200
	query    []string // parameters; see parameters
	fails    []int    // statuses besides those that follow from the fields above
}

// routes is the whole surface.
func (s *Server) routes() []route {
	var out []route
	for _, group := range [][]route{s.profileRoutes(), s.resumeRoutes(), s.itemRoutes(), s.fileRoutes(), s.formatRoutes(), s.archiveRoutes(), s.auditRoutes(), s.pastRoutes(),
		s.eventRoutes(), s.webhookRoutes(), s.accessRoutes(), s.evidenceRoutes(), s.logRoutes(),
		s.connectionRoutes(), s.sinkRoutes(), s.keyRoutes(), s.operatorRoutes(), s.openRoutes(),
		s.postPressRoutes(), s.nexudusRoutes(), s.jarviRoutes(), s.linkedInRoutes(), s.eraseRoutes(), s.backupRoutes()} {
		out = append(out, group...)
	}
	return out
}

const (
	read  = keys.ProfileRead
	write = keys.ProfileWrite
)

func (s *Server) profileRoutes() []route {
	own := []route{
		{method: "GET", path: "/v1/profile", scope: read, id: "getOwnProfile", summary: "Read the key's profile with the collections of base",
			run: s.getProfile, reply: "ProfileReply", query: []string{"at"}},
		{method: "PATCH", path: "/v1/profile", scope: write, id: "patchOwnProfile", summary: "Merge values into the key's profile",
			run: s.patchProfile, request: "ProfilePatch", reply: "Edited", query: []string{"dryRun"}},
		{method: "GET", path: "/v1/profiles/{profile}", inPath: true, scope: read, id: "getProfile", summary: "Read a profile with the collections of base",
			run: s.getProfile, reply: "ProfileReply", query: []string{"at"}},
		{method: "PATCH", path: "/v1/profiles/{profile}", inPath: true, scope: write, id: "patchProfile", summary: "Merge values into a profile",
			run: s.patchProfile, request: "ProfilePatch", reply: "Edited", query: []string{"dryRun"}},
		{method: "DELETE", path: "/v1/profiles/{profile}", inPath: true, scope: keys.Admin, id: "eraseProfile", summary: "Erase a profile: its values are destroyed, its history stays provable",
			run: s.deleteProfile, reply: "Erased", query: []string{"dryRun"}},
	}
	for i := range own {
		own[i].profile = true
	}
	out := append(own,
		route{method: "POST", path: "/v1/profiles", scope: keys.Admin, all: true, id: "createProfile", summary: "Create a profile, with first values if the body has any",
			run: s.postProfile, request: "ProfilePatch", optional: true, reply: "Created", status: http.StatusCreated, query: []string{"dryRun"}},
		route{method: "GET", path: "/v1/profiles", scope: read, all: true, id: "listProfiles", summary: "List the ids of all profiles",
			run: s.getProfiles, reply: "ProfileList", query: []string{"after", "limit"}})
	return tagged("profiles", true, out)
}

func (s *Server) resumeRoutes() []route {
	out := []route{
		{method: "GET", path: "/v1/resume", scope: read, id: "listResumes", summary: "List the resumes", run: s.getResumes, reply: "ResumeList",
			query: []string{"at", "limit", "offset"}},
		{method: "POST", path: "/v1/resume", scope: write, id: "createResume", summary: "Create a resume as a copy of base", run: s.postResume,
			request: "ResumeNew", reply: "Made", status: http.StatusCreated, query: []string{"dryRun"}},
		{method: "GET", path: "/v1/resume/{id}", scope: read, id: "getResume", summary: "Read a resume with the shared scalars", run: s.getResume,
			reply: "ResumeReply", query: []string{"at"}, fails: []int{404}},
		{method: "PATCH", path: "/v1/resume/{id}", scope: write, id: "patchResume", summary: "Change a resume's name and collections", run: s.patchResume,
			request: "ResumePatch", reply: "Edited", query: []string{"dryRun"}, fails: []int{404}},
		{method: "DELETE", path: "/v1/resume/{id}", scope: write, id: "deleteResume", summary: "Delete a resume; base stays", run: s.deleteResume,
			reply: "Success", query: []string{"dryRun"}, fails: []int{404}},
	}
	for i := range out {
		out[i].profile = true
	}
	return tagged("resumes", true, out)
}

type itemPath struct{ path, field, one, schema string }

// itemPaths leads Mokaru's item routes to the collections of base.
func itemPaths() []itemPath {
	return []itemPath{
		{"/v1/experiences", "workExperiences", "Experience", "workExperiences"},
		{"/v1/education", "educations", "Education", "educations"},
		{"/v1/skills", "skills", "Skill", "skills"},
	}
}

func (s *Server) itemRoutes() []route {
	var out []route
	for _, p := range itemPaths() {
		out = append(out,
			route{method: "GET", path: p.path, scope: read, id: "list" + p.one, summary: "List the items", run: s.getItems(p.field),
				reply: "ItemList", query: []string{"at", "limit", "offset"}},
			route{method: "POST", path: p.path, scope: write, id: "create" + p.one, summary: "Add an item", run: s.postItem(p.field),
				request: "Item." + p.schema, reply: "Made", status: http.StatusCreated, query: []string{"dryRun"}},
			route{method: "GET", path: p.path + "/{id}", scope: read, id: "get" + p.one, summary: "Read an item", run: s.getItem(p.field),
				reply: "ItemReply", query: []string{"at"}, fails: []int{404}},
			route{method: "PATCH", path: p.path + "/{id}", scope: write, id: "patch" + p.one, summary: "Change members of an item", run: s.patchItem(p.field),
				request: "Item." + p.schema + ".patch", reply: "Success", query: []string{"dryRun"}, fails: []int{404}},
			route{method: "DELETE", path: p.path + "/{id}", scope: write, id: "delete" + p.one, summary: "Remove an item", run: s.deleteItem(p.field),
				reply: "Success", query: []string{"dryRun"}, fails: []int{404}})
	}
	for i := range out {
		out[i].profile = true
	}
	return tagged("items", true, out)
}

func (s *Server) fileRoutes() []route {
	return tagged("files", true, []route{
		{method: "POST", path: "/v1/files", profile: true, scope: write, id: "createFile", summary: "Upload one file, up to 20 MiB", run: s.postFile,
			request: "file", reply: "FileReply", status: http.StatusCreated, query: []string{"dryRun"}},
		{method: "GET", path: "/v1/files/{file}", profile: true, audited: true, scope: read, id: "getFile", summary: "Read a file of the profile", run: s.getFile,
			reply: "application/octet-stream", fails: []int{404}},
	})
}

func (s *Server) auditRoutes() []route {
	return tagged("audit", false, []route{
		{method: "GET", path: "/v1/profiles/{profile}/history", profile: true, inPath: true, audited: true, scope: keys.AuditRead, id: "getHistory",
			summary: "List a profile's events, oldest first", run: s.getHistory, reply: "EventList",
			query: []string{"view", "field", "item", "op", "actor", "via", "requestId", "reason", "from", "to", "at", "after", "limit"}, fails: []int{404}},
		{method: "GET", path: "/v1/profiles/{profile}/deliveries", profile: true, inPath: true, audited: true, scope: keys.AuditRead | keys.Operate, own: read, id: "listDeliveries",
			summary: "List every attempt to deliver a profile's edits, oldest first", run: s.getDeliveries, reply: "DeliveryList",
			query: []string{"sink", "entity", "attempt", "after", "limit"}},
	})
}

func (s *Server) connectionRoutes() []route {
	const base = "/v1/profiles/{profile}/connections"
	out := []route{
		{method: "GET", path: base, scope: read | keys.Operate, id: "listConnections", summary: "List the connections and how far each provider is",
			run: s.getConnections, reply: "ConnectionList"},
		{method: "GET", path: base + "/{provider}", scope: read | keys.Operate, id: "getConnection", summary: "Read one connection",
			run: s.getConnection, reply: "ConnectionReply", fails: []int{404}},
		{method: "PUT", path: base + "/{provider}", scope: keys.Operate, own: write, id: "putConnection", summary: "Connect the profile to its account at a provider",
			run: s.putConnection, request: "ConnectionNew", reply: "Connected", query: []string{"dryRun"}, fails: []int{404, 409}},
		{method: "DELETE", path: base + "/{provider}", scope: keys.Operate, own: write, id: "deleteConnection", summary: "Remove a connection and its credential",
			run: s.deleteConnection, reply: "Success", query: []string{"dryRun"}, fails: []int{404}},
	}
	for i := range out {
		out[i].profile, out[i].inPath = true, true
	}
	return tagged("connections", false, out)
}

func (s *Server) sinkRoutes() []route {
	out := []route{
		{method: "GET", path: "/v1/sinks", id: "listSinks", summary: "List the sinks", run: s.getSinks, reply: "SinkList"},
		{method: "GET", path: "/v1/sinks/{provider}", id: "getSink", summary: "Read one sink", run: s.getSink, reply: "Sink"},
		{method: "POST", path: "/v1/sinks/{provider}/pause", id: "pauseSink", summary: "Stop sending to a provider", run: s.switchSink(false), reply: "Success", query: []string{"dryRun"}},
		{method: "POST", path: "/v1/sinks/{provider}/resume", id: "resumeSink", summary: "Send to a provider again", run: s.switchSink(true), reply: "Success", query: []string{"dryRun"}},
		{method: "GET", path: "/v1/sinks/{provider}/parked", id: "listParked", summary: "List the edits that wait for a person, and those in doubt", run: s.getParked, reply: "ParkedList",
			query: filterNames, fails: []int{400}},
		{method: "POST", path: "/v1/sinks/{provider}/parked", id: "decideAllParked", summary: "Decide alike about all parked edits that a filter takes, 1,000 at most", run: s.postAllParked,
			request: "ParkedDecisions", reply: "ParkedDecided", query: []string{"dryRun"}, fails: []int{504}},
		{method: "POST", path: "/v1/sinks/{provider}/parked/{id}", id: "decideParked", summary: "Say what is to become of a parked edit", run: s.postParked,
			request: "ParkedDecision", reply: "Decided", query: []string{"dryRun"}, fails: []int{409, 410, 504, 507}},
		{method: "POST", path: "/v1/sinks/{provider}/plan", id: "planSink", summary: "See what it takes to bring a provider to a state of the ledger; nothing is changed", run: s.postPlan,
			request: "PlanTarget", optional: true, reply: "Plan"},
		{method: "POST", path: "/v1/plans/{id}/apply", id: "applyPlan", summary: "Carry out a plan; the task is the same however often it is asked for", run: s.applyPlan,
			request: "PlanApply", reply: "TaskReply", status: http.StatusAccepted},
		{method: "GET", path: "/v1/plans/{id}", id: "getPlan", summary: "See how far a plan is that is carried out; also after a restart", run: s.getPlan, reply: "PlanProgress"},
		{method: "DELETE", path: "/v1/plans/{id}", id: "cancelPlan", summary: "End a plan: what is under way is finished, the rest stays as it is", run: s.cancelPlan,
			reply: "Success", query: []string{"dryRun"}, fails: []int{400}},
	}
	for i := range out {
		out[i].scope, out[i].all = keys.Operate, true
		if out[i].path != "/v1/sinks" {
			out[i].fails = append(out[i].fails, http.StatusNotFound)
		}
	}
	return tagged("sinks", false, out)
}

func (s *Server) keyRoutes() []route {
	out := []route{
		{method: "POST", path: "/v1/keys", id: "createKey", summary: "Create an API key, shown this once", run: s.postKey, request: "KeyNew", reply: "KeyMade",
			status: http.StatusCreated, query: []string{"dryRun"}},
		{method: "GET", path: "/v1/keys", id: "listKeys", summary: "List the API keys", run: s.getKeys, reply: "KeyList"},
		{method: "DELETE", path: "/v1/keys/{id}", id: "revokeKey", summary: "Revoke an API key", run: s.deleteKey, reply: "Success", query: []string{"dryRun"}, fails: []int{404}},
	}
	for i := range out {
		out[i].scope, out[i].all = keys.Admin, true
	}
	return tagged("keys", false, out)
}

func (s *Server) operatorRoutes() []route {
	return tagged("operation", false, []route{
		{method: "GET", path: "/v1/fields", id: "listFields", summary: "The catalogue: every field, its limits, and how each provider carries it", run: s.getFields, reply: "FieldList"},
		{method: "GET", path: "/v1/views", scope: keys.Operate, all: true, id: "listViews", summary: "List the projections", run: s.getViews, reply: "ViewList"},
		{method: "POST", path: "/v1/views/{name}/rebuild", scope: keys.Admin, all: true, id: "rebuildView", summary: "Build a projection anew, compare, and swap",
			run: s.rebuildView, reply: "TaskReply", status: http.StatusAccepted, query: []string{"dryRun"}, fails: []int{404, 409}},
		{method: "POST", path: "/v1/fsck", scope: keys.Admin, all: true, id: "checkLedger", summary: "Check every invariant of the ledger",
			run: s.runFsck, reply: "TaskReply", status: http.StatusAccepted, query: []string{"repair"}, fails: []int{409}},
		{method: "GET", path: "/v1/tasks/{id}", scope: keys.Operate, all: true, id: "getTask", summary: "See how far a task is", run: s.getTask, reply: "TaskReply", fails: []int{404}},
	})
}

func (s *Server) openRoutes() []route {
	out := []route{
		{method: "GET", path: "/livez", id: "live", summary: "The process runs", run: s.livez, reply: "text/plain"},
		{method: "GET", path: "/readyz", id: "ready", summary: "What this instance needs is there", run: s.readyz, reply: "text/plain", query: []string{"exclude"}, fails: []int{503}},
		{method: "GET", path: "/metrics", id: "metrics", summary: "Numbers for Prometheus", run: s.getMetrics, reply: "text/plain"},
		{method: "GET", path: "/openapi.json", id: "openapi", summary: "This document", run: s.getOpenAPI, reply: "application/json"},
		{method: "GET", path: schemasPath, id: "listSchemas", summary: "List the JSON Schemas of the events", run: s.getSchemas, reply: "SchemaList"},
		{method: "GET", path: schemasPath + "/{type}", id: "getSchema", summary: "The JSON Schema of an event", run: s.getSchema, reply: "application/schema+json", fails: []int{404}},
		{method: "GET", path: "/docs", id: "docs", summary: "The API for people to read", run: s.getDocs, reply: "text/html"},
		{method: "GET", path: "/problems/{code}", id: "getProblem", summary: "What an error means", run: s.getProblem, reply: "text/plain", fails: []int{404}},
	}
	for i := range out {
		out[i].open = true
	}
	return tagged("open", false, out)
}

func tagged(tag string, mokaru bool, routes []route) []route {
	for i := range routes {
		routes[i].tag, routes[i].mokaru = tag, mokaru
	}
	return routes
}
