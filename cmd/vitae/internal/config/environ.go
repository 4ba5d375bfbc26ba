package config

import (
	"slices"
	"strings"
)

// ClientEnv are the variables that the client commands read; the server ignores them.
func ClientEnv() []string {
	return []string{"VITAE_SERVER", "VITAE_KEY", "VITAE_PROFILE"}
}

// environment takes the configuration out of the environment: by key, and "config" for
// VITAE_CONFIG. A VITAE_ variable that means nothing is a problem: it is a misspelt key.
func environment(ks []key, environ []string) (map[string]string, Problems) {
	out := map[string]string{}
	var unknown Problems
	for _, kv := range environ {
		name, val, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "VITAE_") || slices.Contains(ClientEnv(), name) || fromKubernetes(name) {
			continue
		}
		i := slices.IndexFunc(ks, func(k key) bool { return k.env() == name })
		switch {
		case name == "VITAE_CONFIG":
			out["config"] = val
		case i < 0:
			unknown = append(unknown, Problem{Key: name, Origin: "env", Why: unknownEnv(ks, name)})
		case val != "":
			out[ks[i].name] = val
		}
	}
	return out, unknown
}

// fromKubernetes recognises what Kubernetes puts in every container when a service is
// called "vitae". Nobody typed it, so it cannot be a typing mistake.
func fromKubernetes(name string) bool {
	return strings.HasPrefix(name, "VITAE_SERVICE_") || name == "VITAE_PORT" || strings.HasPrefix(name, "VITAE_PORT_")
}

func unknownEnv(ks []key, name string) string {
	names := make([]string, len(ks))
	for i, k := range ks {
		names[i] = k.env()
	}
	return "no such key" + didYouMean(name, names)
}

func unknownKey(ks []key, name string) string {
	var names []string
	for _, k := range ks {
		if k.name == name && k.envOnly {
			return "must not stand in the file: use " + k.env() + " or " + name + "_file"
		}
		if !k.envOnly {
			names = append(names, k.name)
		}
	}
	return "no such key" + didYouMean(name, names)
}

func didYouMean(name string, names []string) string {
	best, at := len(name)/3+1, ""
	for _, n := range names {
		if d := distance(name, n); d < best {
			best, at = d, n
		}
	}
	if at == "" {
		return ""
	}
	return "; did you mean " + at + "?"
}

// distance is the number of letters to add, drop or change to make a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = above
			row[j+1] = min(change, above+1, row[j]+1)
		}
	}
	return row[len(b)]
}
