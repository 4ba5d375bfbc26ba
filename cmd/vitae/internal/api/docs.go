package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
)

//go:embed docs.html
var docsText string

var docsPage = template.Must(template.New("docs").Parse(docsText))

// described is one route on the page.
type described struct {
	Method, Path, ID, Summary, Needs string
	Parameters                       []parameterDoc
	Body, BodyType, Reply, ReplyType string // the name of a schema, and the media type
	Curl                             string
	Fails                            []int
}

type parameterDoc struct{ Name, In, About string }

// docs makes the page of the API for people out of its OpenAPI description: the same
// routes, parameters and schemas. It asks nobody else for anything.
func docs(routes []route, openapi []byte) ([]byte, error) {
	var doc struct {
		Info       struct{ Version string }
		Components struct {
			Schemas    map[string]json.RawMessage
			Parameters map[string]struct{ Name, In, Description string }
		}
	}
	if err := json.Unmarshal(openapi, &doc); err != nil {
		return nil, err
	}
	type group struct {
		Tag    string
		Routes []described
	}
	var groups []group
	for i := range routes {
		rt := &routes[i]
		at := slices.IndexFunc(groups, func(g group) bool { return g.Tag == rt.tag })
		if at < 0 {
			at, groups = len(groups), append(groups, group{Tag: rt.tag})
		}
		d := described{Method: rt.method, Path: documented(rt.path), ID: rt.id, Summary: rt.summary, Needs: needs(rt), Fails: failures(rt), Curl: curl(rt)}
		for _, name := range parametersOf(rt) {
			p := doc.Components.Parameters[name]
			d.Parameters = append(d.Parameters, parameterDoc{p.Name, p.In, p.Description})
		}
		d.Body, d.BodyType = rt.request, "application/json"
		switch form, isForm := strings.CutPrefix(rt.request, "form:"); {
		case isForm:
			d.Body, d.BodyType = form, "multipart/form-data"
		case rt.request == "file":
			d.Body, d.BodyType = "", "multipart/form-data"
		case rt.request == "bytes":
			d.Body, d.BodyType = "", "application/octet-stream"
		case rt.request == "":
			d.BodyType = ""
		}
		d.Reply, d.ReplyType = rt.reply, "application/json"
		if strings.Contains(rt.reply, "/") || rt.reply == "" {
			d.Reply, d.ReplyType = "", rt.reply
		}
		groups[at].Routes = append(groups[at].Routes, d)
	}
	type schema struct{ Name, Text string }
	var all []schema
	for _, name := range slices.Sorted(maps.Keys(doc.Components.Schemas)) {
		var b bytes.Buffer
		if err := json.Indent(&b, doc.Components.Schemas[name], "", "  "); err != nil {
			return nil, err
		}
		all = append(all, schema{name, b.String()})
	}
	var b bytes.Buffer
	err := docsPage.Execute(&b, map[string]any{"Version": doc.Info.Version, "Groups": groups, "Schemas": all})
	return b.Bytes(), err
}

// curl is a line that asks for a route.
func curl(rt *route) string {
	line := "curl"
	if rt.method != http.MethodGet {
		line += " -X " + rt.method
	}
	if !rt.open {
		line += ` -H "X-API-KEY: $VITAE_KEY"`
	}
	if rt.profile && !rt.inPath {
		line += ` -H "X-Vitae-Profile: $PROFILE"`
	}
	switch {
	case rt.request == "file":
		line += " -F file=@picture.png"
	case rt.request == "bytes":
		line += " -T file"
	case strings.HasPrefix(rt.request, "form:"):
		line += " -F name=value"
	case rt.request != "":
		line += " --json @body.json"
	}
	return line + ` "$VITAE_SERVER` + documented(rt.path) + `"`
}

func (s *Server) getDocs(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	if fresh(w, r, s.docsTag) {
		return nil
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusOK)
	s.write(w, r, s.docs)
	return nil
}
