// Finds and unpacks a chart with the code of Argo CD's repository server, and prints what it got as JSON:
//
//	argocd URL CHART VERSION
//
// URL is `http://HOST/NAMESPACE` or `oci://HOST/NAMESPACE` (spoken over HTTPS, with the CA in $CA_FILE), VERSION is exact or a range.
// Argo CD runs `helm` from PATH to fetch.
package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/argoproj/argo-cd/v3/util/helm"
	"github.com/argoproj/argo-cd/v3/util/versions"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(url, chart, version string) error {
	oci, isOCI := strings.CutPrefix(url, "oci://")
	if isOCI {
		url = oci
	}
	client := helm.NewClient(url, helm.HelmCreds{CAPath: os.Getenv("CA_FILE")}, isOCI, "", "")
	tags, err := tags(client, chart, isOCI)
	if err != nil {
		return err
	}
	chosen, err := versions.MaxVersion(version, tags)
	if err != nil {
		return err
	}
	folder, closer, err := client.ExtractChart(chart, chosen, false, math.MaxInt64, true)
	if err != nil {
		return err
	}
	defer closer.Close()
	text, err := os.ReadFile(filepath.Join(folder, "Chart.yaml"))
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"tags": tags, "version": chosen, "chart": string(text)})
}

func tags(client helm.Client, chart string, isOCI bool) ([]string, error) {
	if isOCI {
		return client.GetTags(chart, true)
	}
	index, err := client.GetIndex(true, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	entries, err := index.GetEntries(chart)
	if err != nil {
		return nil, err
	}
	return entries.Tags(), nil
}
