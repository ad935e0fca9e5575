import java.io.File;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.HdfsConfiguration;
import org.apache.hadoop.hdfs.MiniDFSCluster;

/** HDFS of one name node and one data node on loopback; says "port N", and ends with its input. */
public final class HdfsServer {
  public static void main(String[] arguments) throws Exception {
    Configuration conf = new HdfsConfiguration();
    for (String name : new String[] {"dfs.datanode.address", "dfs.datanode.ipc.address",
        "dfs.datanode.http.address", "dfs.namenode.http-address"}) {
      conf.set(name, "127.0.0.1:0");
    }
    conf.set("dfs.permissions.enabled", "false");
    MiniDFSCluster cluster =
        new MiniDFSCluster.Builder(conf, new File(arguments[0])).numDataNodes(1).build();
    cluster.waitActive();
    System.out.println("port " + cluster.getNameNodePort());
    while (System.in.read() >= 0) {}
    System.exit(0);
  }
}
