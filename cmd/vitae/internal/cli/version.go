package cli

import (
	"encoding/json"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (a *app) versionCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  vitae version -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := struct {
				Version  string `json:"version"`
				Revision string `json:"revision"`
				Modified bool   `json:"modified"`
				Go       string `json:"go"`
				System   string `json:"system"`
			}{"(devel)", "", false, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			if info, ok := debug.ReadBuildInfo(); ok {
				if info.Main.Version != "" {
					v.Version = info.Main.Version
				}
				for _, s := range info.Settings {
					switch s.Key {
					case "vcs.revision":
						v.Revision = s.Value
					case "vcs.modified":
						v.Modified = s.Value == "true"
					}
				}
			}
			raw, err := json.Marshal(v)
			if err != nil {
				return err
			}
			return a.print(raw, func(w io.Writer) error {
				return writeTable(w, nil, []row{{"vitae", v.Version, v.Revision, v.Go, v.System}})
			})
		},
	}
}
