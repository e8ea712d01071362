// Finds and downloads a chart with the code of Flux's source-controller, and prints what it got as JSON:
//
//	flux URL CHART VERSION
//
// URL is `http://HOST/NAMESPACE` or `oci://HOST/NAMESPACE` (spoken over plain HTTP), VERSION is exact or a range.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/fluxcd/source-controller/internal/helm/registry"
	"github.com/fluxcd/source-controller/internal/helm/repository"
	"helm.sh/helm/v4/pkg/getter"
	repo "helm.sh/helm/v4/pkg/repo/v1"
)

type chartRepository interface {
	GetChartVersion(name, version string) (*repo.ChartVersion, error)
	DownloadChart(chart *repo.ChartVersion) (*bytes.Buffer, error)
}

var providers = getter.Providers{
	{Schemes: []string{"http", "https"}, New: getter.NewHTTPGetter},
	{Schemes: []string{"oci"}, New: getter.NewOCIGetter},
}

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(url, name, version string) error {
	charts, err := open(url)
	if err != nil {
		return err
	}
	found, err := charts.GetChartVersion(name, version)
	if err != nil {
		return err
	}
	content, err := charts.DownloadChart(found)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]string{
		"name":    found.Name,
		"version": found.Version,
		"url":     strings.Join(found.URLs, " "),
		"sha256":  fmt.Sprintf("%x", sha256.Sum256(content.Bytes())),
	})
}

func open(url string) (chartRepository, error) {
	if strings.HasPrefix(url, "oci://") {
		client, err := registry.NewClient(nil, nil, true)
		if err != nil {
			return nil, err
		}
		return repository.NewOCIChartRepository(url,
			repository.WithOCIRegistryClient(client),
			repository.WithOCIGetter(providers),
			repository.WithOCIGetterOptions([]getter.Option{getter.WithPlainHTTP(true), getter.WithRegistryClient(client)}),
			repository.WithInsecureHTTP())
	}
	folder, err := os.MkdirTemp("", "flux")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	charts, err := repository.NewChartRepository(url, filepath.Join(folder, "index.yaml"), providers, nil)
	if err != nil {
		return nil, err
	}
	if err := charts.CacheIndex(); err != nil {
		return nil, err
	}
	return charts, charts.LoadFromPath()
}
