package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"vitae/ledger"
)

// schemasPath is where the JSON Schemas of the events are.
const schemasPath = "/schemas"

// eventSchemas makes a JSON Schema (2020-12) of every event out of the AsyncAPI document,
// each whole in itself, by the event's type.
func eventSchemas(asyncapi []byte) (map[string][]byte, error) {
	var doc struct {
		Components struct {
			Messages map[string]struct {
				Title   string
				Payload object
			}
			Schemas object
		}
	}
	if err := json.Unmarshal(asyncapi, &doc); err != nil {
		return nil, err
	}
	kinds := append(ledger.CloudEventTypes(), ledger.TypeReset)
	out := map[string][]byte{}
	for _, kind := range kinds {
		m, ok := doc.Components.Messages[kind+".json"]
		if !ok {
			m = doc.Components.Messages[kind]
		}
		schema := object{"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": schemasPath + "/" + kind, "title": m.Title, "$defs": doc.Components.Schemas}
		maps.Copy(schema, m.Payload)
		b, err := json.Marshal(schema)
		if err != nil {
			return nil, err
		}
		out[kind] = []byte(strings.ReplaceAll(string(b), "#/components/schemas/", "#/$defs/"))
	}
	return out, nil
}

// getSchemas lists the schemas.
func (s *Server) getSchemas(w http.ResponseWriter, r *http.Request) error {
	type named struct {
		Type   string `json:"type"`
		Schema string `json:"schema"`
	}
	out := []named{}
	for _, kind := range slices.Sorted(maps.Keys(s.eventSchemas)) {
		out = append(out, named{kind, schemasPath + "/" + kind})
	}
	return s.send(w, r, http.StatusOK, list{Data: out})
}

func (s *Server) getSchema(w http.ResponseWriter, r *http.Request) error {
	b, ok := s.eventSchemas[r.PathValue("type")]
	if !ok {
		return ledger.ErrNotFound
	}
	if fresh(w, r, `"`+ledger.HashOf(b).String()[:16]+`"`) {
		return nil
	}
	h := w.Header()
	h.Set("Content-Type", "application/schema+json")
	w.WriteHeader(http.StatusOK)
	s.write(w, r, b)
	return nil
}
